package main

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/serde/rules/kms"
)

// kmsSettings are the flags about the key management services that the registry
// calls for shared KEKs.
type kmsSettings struct {
	localSecret    string
	vaultAddr      string
	vaultToken     string
	vaultNamespace string
}

func (k *kmsSettings) flags(f *pflag.FlagSet) {
	f.StringVar(&k.localSecret, "kms-local-secret", "", "secret of the local KMS for shared KEKs that have none themselves")
	f.StringVar(&k.vaultAddr, "kms-vault-addr", "", "URL of the HashiCorp Vault whose keys KEKs may share with the registry, such as https://vault:8200")
	f.StringVar(&k.vaultToken, "kms-vault-token", "", "token for that Vault; better set by DOVETAIL_KMS_VAULT_TOKEN")
	f.StringVar(&k.vaultNamespace, "kms-vault-namespace", "", "namespace in that Vault")
}

// validate reports what is wrong with the settings.
func (k *kmsSettings) validate() error {
	if k.vaultAddr == "" {
		return nil
	}
	if u, err := url.Parse(k.vaultAddr); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("--kms-vault-addr: want a URL, such as https://vault:8200")
	}
	return nil
}

// services returns the services by kmsType. Vault is among them only with an
// address: the registry's token goes nowhere else, redirects included.
func (k *kmsSettings) services() map[string]registry.KMS {
	out := map[string]registry.KMS{kms.LocalType: kms.Local{Secret: k.localSecret}}
	if k.vaultAddr != "" {
		client := &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		out[kms.VaultType] = kms.Vault{Address: k.vaultAddr, Token: k.vaultToken, Namespace: k.vaultNamespace, Client: client}
	}
	return out
}

package main

import (
	"testing"

	"github.com/dovetail-dev/dovetail/serde/rules/kms"
)

// Without an address no client can make the registry call a Vault.
func TestVaultIsCalledOnlyIfConfigured(t *testing.T) {
	var k kmsSettings
	if _, ok := k.services()[kms.VaultType]; ok || k.validate() != nil {
		t.Error("there is a Vault by default")
	}
	k.vaultAddr = "https://vault:8200"
	v, ok := k.services()[kms.VaultType].(kms.Vault)
	if !ok || v.Address != k.vaultAddr || k.validate() != nil {
		t.Errorf("%+v", v)
	}
	k.vaultAddr = "vault:8200"
	if k.validate() == nil {
		t.Error("an address without a scheme is taken")
	}
}

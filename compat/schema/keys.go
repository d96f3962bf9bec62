package schema

// KEK is a key encryption key: the name that a registry has for a key of a KMS,
// by which data keys are wrapped. The members are those of the REST API.
type KEK struct {
	Name      string            `json:"name,omitempty"`
	KMSType   string            `json:"kmsType,omitempty"`
	KMSKeyID  string            `json:"kmsKeyId,omitempty"`
	KMSProps  map[string]string `json:"kmsProps,omitempty"`
	Doc       string            `json:"doc,omitempty"`
	Shared    bool              `json:"shared"`       // the registry itself may call the KMS
	Timestamp int64             `json:"ts,omitempty"` // milliseconds since the epoch
	Deleted   bool              `json:"deleted,omitempty"`
}

// DEK is a data encryption key, wrapped by a KEK. The members are those of the
// REST API.
type DEK struct {
	KEKName              string  `json:"kekName,omitempty"`
	Subject              Subject `json:"subject,omitempty"`
	Version              int     `json:"version,omitempty"`
	Algorithm            string  `json:"algorithm,omitempty"`
	EncryptedKeyMaterial string  `json:"encryptedKeyMaterial,omitempty"` // base64
	KeyMaterial          string  `json:"keyMaterial,omitempty"`          // base64, in clear; only of shared KEKs
	Timestamp            int64   `json:"ts,omitempty"`                   // milliseconds since the epoch
	Deleted              bool    `json:"deleted,omitempty"`
}

// DEKOptions selects a DEK.
type DEKOptions struct {
	Algorithm string // empty for AES256_GCM
	Deleted   bool   // soft-deleted ones count too
}

// A codec on github.com/hamba/avro/v2. A module of its own, because that library
// is archived with open advisories: nobody who does not ask for it gets it into
// their go.sum.
module github.com/dovetail-dev/dovetail/serde/hamba

go 1.26.0

require (
	github.com/dovetail-dev/dovetail v0.0.0
	github.com/hamba/avro/v2 v2.31.0
)

require (
	github.com/go-viper/mapstructure/v2 v2.4.0 // indirect
	github.com/json-iterator/go v1.1.12 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/modern-go/concurrent v0.0.0-20180306012644-bacd9c7ef1dd // indirect
	github.com/modern-go/reflect2 v1.0.2 // indirect
)

replace github.com/dovetail-dev/dovetail => ../..

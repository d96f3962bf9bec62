package srclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

func ExampleNew() {
	// Stands for a registry that does not know the subject.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error_code":40401,"message":"Subject 'orders-value' not found."}`)
	}))
	defer server.Close()

	client, err := srclient.New([]string{server.URL}, srclient.WithBasicAuth("user", "secret"))
	if err != nil {
		panic(err)
	}
	defer client.Close()

	_, err = client.Versions(context.Background(), "orders-value", srclient.VersionsOptions{})
	if errors.Is(err, srclient.SubjectNotFound) {
		fmt.Println("nothing registered yet")
	}
	// Output: nothing registered yet
}

func ExampleClient_RegisterSchema() {
	// Stands for a registry that has nothing yet.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id":1,"subject":"orders-value","version":1,"schema":"\"string\""}`)
	}))
	defer server.Close()
	client, err := srclient.New([]string{server.URL})
	if err != nil {
		panic(err)
	}
	defer client.Close()

	registered, err := client.RegisterSchema(context.Background(), "orders-value", srclient.Registration{
		Definition: schema.Definition{Type: schema.Avro, Text: `"string"`},
	})
	fmt.Println(registered.ID, registered.Version, err)
	// Output: 1 1 <nil>
}

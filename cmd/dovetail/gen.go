package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/dovetail-dev/dovetail/cmd/dovetail/internal/check"
	"github.com/dovetail-dev/dovetail/cmd/dovetail/internal/gen"
	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

func newGen() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gen",
		Short: "Write code for schemas",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newGenGo())
	return cmd
}

func newGenGo() *cobra.Command {
	var (
		who               connection
		pkg, out, version string
		subjects          []string
	)
	cmd := &cobra.Command{
		Use:   "go [file.avsc ...]",
		Short: "Write Go types for Avro schemas",
		Long: `Go writes a Go file with a type for each record, enum and fixed of the schemas,
and the schemas themselves as constants: what serde/avro encodes and decodes.
Records have methods of their own too, AppendAvro and DecodeAvro, which need no
reflection.

The schemas are .avsc files, which may refer to each other by name in any order,
or the versions of subjects in a registry. The same schemas give the same file, so
that it can be checked in and compared.

Without --package it is called as go generate says ($GOPACKAGE), else "schemas".`,
		Example: `  dovetail gen go order.avsc money.avsc --package shop --out shop.go
  dovetail gen go --registry http://localhost:8081 --subject orders-value --out orders.go
  //go:generate dovetail gen go order.avsc --out order_gen.go`,
		RunE: func(cmd *cobra.Command, files []string) error {
			var schemas []gen.Schema
			err := fillFromEnv(cmd, append([]string{"timeout"}, credentialFlags...), os.LookupEnv)
			if who.registry == "" && len(files) == 0 {
				who.registry = os.Getenv(envName("registry"))
			}
			switch {
			case err != nil:
			case who.registry != "" && len(files) > 0:
				err = errors.New("files and --registry exclude each other")
			case len(files) > 0 && len(subjects) > 0:
				err = errors.New("files and --subject exclude each other")
			case who.registry == "" && len(subjects) > 0:
				err = errors.New("--subject needs --registry URL or DOVETAIL_REGISTRY")
			case len(subjects) > 0:
				schemas, err = subjectsToGenerate(cmd.Context(), &who, subjects, version)
			case cmd.Flags().Changed("registry"):
				err = errors.New("--registry needs --subject; repeat it for several")
			case len(files) == 0:
				err = errors.New("name .avsc files, or a registry and a subject")
			default:
				schemas, err = filesToGenerate(files)
			}
			if err != nil {
				return exitStatus{2, err}
			}
			if pkg == "" {
				pkg = os.Getenv("GOPACKAGE")
			}
			source, err := gen.Go(gen.Options{Package: pkg}, schemas...)
			if err != nil {
				return err
			}
			return writeGenerated(cmd, out, source)
		},
	}
	f := cmd.Flags()
	who.credentials.flags(cmd, f)
	f.StringVar(&pkg, "package", "", "package of the file")
	f.StringVarP(&out, "out", "o", "", "file to write; standard output if empty")
	f.StringVar(&who.registry, "registry", "", "URL of a registry, or several separated by commas ($DOVETAIL_REGISTRY, unless there are files)")
	f.DurationVar(&who.timeout, "timeout", 10*time.Second, "how long to wait for each answer of the registry ($DOVETAIL_TIMEOUT)")
	f.StringArrayVar(&subjects, "subject", nil, "subject in the registry; repeat it for several")
	f.StringVar(&version, "version", "latest", "version of the subjects")
	complete(cmd, "subject", who.completeSubjects)
	cmd.ValidArgsFunction = cobra.FixedCompletions([]string{"avsc"}, cobra.ShellCompDirectiveFilterFileExt)
	return cmd
}

// writeGenerated leaves a file alone that says the same already, so that build
// tools do not take it for changed.
func writeGenerated(cmd *cobra.Command, out string, source []byte) error {
	if out == "" {
		_, err := cmd.OutOrStdout().Write(source)
		return err
	}
	if known, err := os.ReadFile(out); err == nil && bytes.Equal(known, source) {
		return nil
	}
	return os.WriteFile(out, source, 0o644)
}

// filesToGenerate parses files that may refer to each other.
func filesToGenerate(files []string) ([]gen.Schema, error) {
	texts := map[string]string{}
	for _, name := range files {
		if t, ok := check.SchemaType(name); !ok || t != schema.Avro {
			return nil, fmt.Errorf("%s: want an Avro schema, with the ending .avsc", name)
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if info.Size() > avro.MaxTextBytes {
			return nil, fmt.Errorf("%s: %d bytes, more than the %d that a schema may have", name, info.Size(), avro.MaxTextBytes)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		texts[filepath.ToSlash(name)] = string(b)
	}
	workspace := check.NewWorkspace(texts, nil)
	var schemas []gen.Schema
	for _, name := range files {
		src, err := workspace.Source(filepath.ToSlash(name))
		if err != nil {
			return nil, err
		}
		src.Strict = true
		parsed, err := avro.Parse(src)
		if err != nil {
			return nil, fmt.Errorf("%s:%w", name, err)
		}
		schemas = append(schemas, gen.Schema{Label: filepath.Base(name), Parsed: parsed})
	}
	return schemas, nil
}

// subjectsToGenerate reads one version of each subject, with its references.
func subjectsToGenerate(ctx context.Context, who *connection, subjects []string, version string) ([]gen.Schema, error) {
	number := schema.Latest
	if version != "latest" {
		n, err := strconv.ParseInt(version, 10, 32)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("--version %q: want a number from 1, or latest", version)
		}
		number = schema.Version(n)
	}
	client, err := who.openRegistry()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	references, err := serde.NewReferences(client)
	if err != nil {
		return nil, err
	}
	var schemas []gen.Schema
	for _, name := range subjects {
		subject := schema.Subject(name)
		found, err := client.Version(ctx, subject, number, false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, who.registryError(err))
		}
		label := fmt.Sprintf("%s version %d", name, found.Version)
		if t := found.Type.OrDefault(); t != schema.Avro {
			return nil, fmt.Errorf("%s is %s: Go types are written for AVRO only; protoc-gen-go writes those of Protobuf", label, t)
		}
		deps, err := references.Resolve(ctx, subject.Context(), found.References)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", label, err)
		}
		src := compat.Source{Type: schema.Avro, Text: found.Text}
		for _, d := range deps {
			src.Dependencies = append(src.Dependencies, compat.Dependency{Name: d.Name, Text: d.Text})
		}
		parsed, err := avro.Parse(src)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", label, err)
		}
		schemas = append(schemas, gen.Schema{Label: label, Parsed: parsed})
	}
	return schemas, nil
}

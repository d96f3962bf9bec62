package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Every flag of a command that calls loadSettings can be given in four ways.
// The first that is present counts:
//
//	--data-dir /var/lib/dovetail          on the command line
//	DOVETAIL_DATA_DIR=/var/lib/dovetail   in the environment
//	data-dir: /var/lib/dovetail           in the YAML file that --config names
//	                                      its default
//
// A key of the file that no flag has is an error: a misspelt setting must not
// pass for a default.

const envPrefix = "DOVETAIL_"

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// loadSettings fills the flags that were not given on the command line.
func loadSettings(cmd *cobra.Command, lookupEnv func(string) (string, bool)) error {
	flags := cmd.Flags()
	path := ""
	if f := flags.Lookup("config"); f != nil {
		path = f.Value.String()
		if v, ok := lookupEnv(envName("config")); ok && !f.Changed {
			path = v
		}
	}
	file, err := readSettingsFile(path)
	if err != nil {
		return err
	}
	var faults []error
	flags.VisitAll(func(f *pflag.Flag) {
		value, inFile := file[f.Name]
		delete(file, f.Name)
		if f.Changed || f.Name == "config" || f.Name == "help" {
			return
		}
		if v, ok := lookupEnv(envName(f.Name)); ok {
			if err := flags.Set(f.Name, v); err != nil {
				faults = append(faults, fmt.Errorf("%s=%q: %w", envName(f.Name), v, err))
			}
			return
		}
		if !inFile {
			return
		}
		for _, v := range value {
			if err := flags.Set(f.Name, v); err != nil {
				faults = append(faults, fmt.Errorf("%s: %s: %q: %w", path, f.Name, v, err))
			}
		}
	})
	for _, key := range sortedKeys(file) {
		faults = append(faults, fmt.Errorf("%s: no setting is called %q (see dovetail %s --help)", path, key, cmd.Name()))
	}
	return errors.Join(faults...)
}

// unknownVariables returns the DOVETAIL_ variables that neither a flag of cmd has
// nor a client reads. Those that Kubernetes sets for a service called dovetail are
// none of ours.
func unknownVariables(cmd *cobra.Command, environ []string) []string {
	known := map[string]bool{passwordEnv: true, bearerEnv: true}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known[envName(f.Name)] = true })
	for _, name := range connectionFlags {
		known[envName(name)] = true
	}
	var unknown []string
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		ours, ok := strings.CutPrefix(name, envPrefix)
		if !ok || known[name] || strings.HasPrefix(ours, "PORT") || strings.HasPrefix(ours, "SERVICE_") {
			continue
		}
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	return unknown
}

// readSettingsFile returns the scalar settings of a YAML file; a list becomes
// several values.
func readSettingsFile(path string) (map[string][]string, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc map[string]yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	out := map[string][]string{}
	for key, node := range doc {
		switch node.Kind {
		case yaml.ScalarNode:
			out[key] = []string{node.Value}
		case yaml.SequenceNode:
			for _, item := range node.Content {
				if item.Kind != yaml.ScalarNode {
					return nil, fmt.Errorf("%s:%d: %s: want a list of plain values", path, item.Line, key)
				}
				out[key] = append(out[key], item.Value)
			}
		default:
			return nil, fmt.Errorf("%s:%d: %s: want a value or a list of values", path, node.Line, key)
		}
	}
	return out, nil
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

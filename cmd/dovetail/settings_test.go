package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// settingsCommand is a command with one flag of each kind.
func settingsCommand(t *testing.T, file string, args ...string) (cmd *cobra.Command, value func(string) string) {
	t.Helper()
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "settings.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd = &cobra.Command{Use: "serve", Run: func(*cobra.Command, []string) {}}
	cmd.Flags().String("config", path, "")
	cmd.Flags().String("data-dir", "default", "")
	cmd.Flags().Int("default-partitions", 1, "")
	cmd.Flags().StringArray("listener", nil, "")
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return cmd, func(name string) string { return cmd.Flags().Lookup(name).Value.String() }
}

func environment(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := pairs[name]
		return v, ok
	}
}

func TestCommandLineBeatsEnvironmentBeatsFile(t *testing.T) {
	file := "data-dir: file\ndefault-partitions: 3\nlistener: [a, b]\n"
	env := environment(map[string]string{"DOVETAIL_DATA_DIR": "env", "DOVETAIL_DEFAULT_PARTITIONS": "5"})
	cmd, value := settingsCommand(t, file, "--default-partitions", "7")
	if err := loadSettings(cmd, env); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"data-dir": "env", "default-partitions": "7", "listener": "[a,b]"} {
		if got := value(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	cmd, value = settingsCommand(t, file)
	if err := loadSettings(cmd, environment(nil)); err != nil || value("data-dir") != "file" {
		t.Errorf("from the file alone: %q, %v", value("data-dir"), err)
	}
	cmd, value = settingsCommand(t, "")
	if err := loadSettings(cmd, environment(nil)); err != nil || value("data-dir") != "default" {
		t.Errorf("from nowhere: %q, %v", value("data-dir"), err)
	}
}

func TestBadSettingsAreAllNamed(t *testing.T) {
	cmd, _ := settingsCommand(t, "data_dir: misspelt\nlistener: {a: b}\n")
	if err := loadSettings(cmd, environment(nil)); err == nil || !strings.Contains(err.Error(), "listener") {
		t.Errorf("a map for a value: %v", err)
	}
	cmd, _ = settingsCommand(t, "data_dir: misspelt\ndefault-partitions: many\n")
	err := loadSettings(cmd, environment(nil))
	if err == nil || !strings.Contains(err.Error(), `"data_dir"`) || !strings.Contains(err.Error(), `"many"`) {
		t.Errorf("got %v, want both faults", err)
	}
	cmd, _ = settingsCommand(t, "")
	err = loadSettings(cmd, environment(map[string]string{"DOVETAIL_DEFAULT_PARTITIONS": "x"}))
	if err == nil || !strings.Contains(err.Error(), "DOVETAIL_DEFAULT_PARTITIONS") {
		t.Errorf("a bad variable: %v", err)
	}
	cmd, _ = settingsCommand(t, "")
	if err := loadSettings(cmd, environment(map[string]string{"DOVETAIL_CONFIG": "/nowhere/at/all.yaml"})); err == nil {
		t.Error("a file that is not there is no error")
	}
}

func TestMisspeltVariablesAreNamed(t *testing.T) {
	cmd, _ := settingsCommand(t, "")
	got := unknownVariables(cmd, []string{"DOVETAIL_DATA_DIR=x", "DOVETAIL_DATADIR=x", "DOVETAIL_REGISTRY=u", "DOVETAIL_PASSWORD=p", "DOVETAIL_PORT_9092_TCP=y", "DOVETAIL_SERVICE_HOST=z", "HOME=h"})
	if len(got) != 1 || got[0] != "DOVETAIL_DATADIR" {
		t.Errorf("got %v, want DOVETAIL_DATADIR alone", got)
	}
}

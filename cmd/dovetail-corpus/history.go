package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// History is a published series of schemas.
type History struct {
	Name     string
	What     string
	Type     schema.Type
	Versions []string // oldest first
	// Fetch returns the schema files of a version by path, which is their
	// subject and, for Protobuf, what imports call them. Downloads go below dir.
	Fetch func(ctx context.Context, dir, version string) (map[string]string, error)
}

// histories is the corpus: one history of each format.
var histories = []History{
	{
		Name: "kubernetes", What: "the Protobuf files of k8s.io/api", Type: schema.Protobuf,
		Versions: []string{"v0.22.0", "v0.23.0", "v0.24.0", "v0.25.0", "v0.26.0", "v0.27.0", "v0.28.0", "v0.29.0", "v0.30.0", "v0.31.0", "v0.32.0"},
		Fetch:    fetchKubernetes,
	},
	{
		Name: "biome", What: "the JSON Schema of Biome's configuration", Type: schema.JSON,
		Versions: []string{"1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0", "1.8.0", "1.9.0", "2.0.0"},
		Fetch:    fetchBiome,
	},
	{
		Name: "datahub", What: "the Avro events of DataHub", Type: schema.Avro,
		Versions: []string{"0.8.38", "0.9.0", "0.10.0", "0.11.0", "0.12.0", "0.13.0", "0.14.0.2", "0.15.0", "1.0.0"},
		Fetch:    fetchDataHub,
	},
}

// mostFileBytes bounds one file of a package.
const mostFileBytes = 32 << 20

// fetchKubernetes reads k8s.io/api and what its files import.
func fetchKubernetes(ctx context.Context, dir, version string) (map[string]string, error) {
	files := map[string]string{}
	for _, module := range []string{"k8s.io/api", "k8s.io/apimachinery"} {
		out, err := output(ctx, dir, "go", "mod", "download", "-json", module+"@"+version)
		if err != nil {
			return nil, err
		}
		var found struct{ Dir string }
		if err := json.Unmarshal(out, &found); err != nil {
			return nil, fmt.Errorf("go mod download: %w", err)
		}
		err = fs.WalkDir(os.DirFS(found.Dir), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() != "generated.proto" {
				return err
			}
			b, err := os.ReadFile(filepath.Join(found.Dir, filepath.FromSlash(path)))
			files[module+"/"+path] = string(b)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func fetchBiome(ctx context.Context, dir, version string) (map[string]string, error) {
	archive, err := download(ctx, dir, "biomejs-biome-"+version+".tgz", "npm", "pack", "--silent", "@biomejs/biome@"+version)
	if err != nil {
		return nil, err
	}
	return fromTarball(archive, map[string]string{"package/configuration_schema.json": "biome-configuration"})
}

func fetchDataHub(ctx context.Context, dir, version string) (map[string]string, error) {
	archive, err := download(ctx, dir, "acryl_datahub-"+version+"-*.whl",
		"python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", ".", "acryl-datahub=="+version)
	if err != nil {
		return nil, err
	}
	return fromZip(archive, map[string]string{
		"datahub/metadata/schemas/MetadataChangeEvent.avsc":    "MetadataChangeEvent",
		"datahub/metadata/schemas/MetadataChangeProposal.avsc": "MetadataChangeProposal",
	})
}

// output runs a command in dir and returns what it prints.
func output(ctx context.Context, dir string, name string, args ...string) ([]byte, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(said.String()+string(out)))
	}
	return out, nil
}

// download returns the file of dir that matches pattern, and runs a command that
// puts it there if it is missing.
func download(ctx context.Context, dir, pattern, name string, args ...string) (string, error) {
	for range 2 {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0], nil
		}
		if _, err := output(ctx, dir, name, args...); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("%s left no file %s", name, pattern)
}

// fromTarball reads the files that are wanted, and names them.
func fromTarball(path string, wanted map[string]string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if name, ok := wanted[header.Name]; ok {
			if files[name], err = readBounded(archive); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", path, header.Name, err)
			}
		}
	}
}

// fromZip is fromTarball for a zip file.
func fromZip(path string, wanted map[string]string) (map[string]string, error) {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer archive.Close()
	files := map[string]string{}
	for _, f := range archive.File {
		name, ok := wanted[f.Name]
		if !ok {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, f.Name, err)
		}
		files[name], err = readBounded(in)
		if err := errors.Join(err, in.Close()); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, f.Name, err)
		}
	}
	return files, nil
}

func readBounded(in io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(in, mostFileBytes+1))
	if err == nil && len(b) > mostFileBytes {
		err = fmt.Errorf("more than %d bytes", mostFileBytes)
	}
	return string(b), err
}

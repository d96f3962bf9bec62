package protobuf

import (
	"embed"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Definitions that files may import without a reference and that no library
// ships. Only names and numbers matter: they are on the wire.
//
//go:embed wellknown
var wellKnownTexts embed.FS

// standardImports finds the files that are distributed with protoc.
var standardImports = protocompile.WithStandardImports(&protocompile.SourceResolver{
	Accessor: func(string) (io.ReadCloser, error) { return nil, fs.ErrNotExist },
})

// WellKnown reports whether path can be imported without a reference.
func WellKnown(path string) bool { return wellKnown(path) != nil }

// wellKnown returns the file that everyone may import as path, nil for any
// other path.
func wellKnown(path string) protoreflect.FileDescriptor {
	if strings.HasPrefix(path, "google/protobuf/") {
		found, err := standardImports.FindFileByPath(path)
		if err != nil {
			return nil
		}
		return found.Desc
	}
	return ownWellKnown()[path]
}

var (
	ownOnce  sync.Once
	ownFiles map[string]protoreflect.FileDescriptor // read only once ownOnce is done
)

// ownWellKnown returns the embedded definitions, compiled once per process.
func ownWellKnown() map[string]protoreflect.FileDescriptor {
	ownOnce.Do(func() { ownFiles = compileEmbedded() })
	return ownFiles
}

// compileEmbedded compiles the embedded texts. They are part of the program, so
// a fault in them is a broken promise; a test compiles each.
func compileEmbedded() map[string]protoreflect.FileDescriptor {
	files := map[string]protoreflect.FileDescriptor{}
	err := fs.WalkDir(wellKnownTexts, "wellknown", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := wellKnownTexts.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, "wellknown/")
		set := &fileSet{texts: map[string]string{}, units: map[string]*unit{}, symbols: &linker.Symbols{}}
		u, err := set.compile(name, string(text))
		if err != nil {
			return err
		}
		files[name] = u.file
		return nil
	})
	if err != nil {
		panic("protobuf: embedded definition: " + err.Error())
	}
	return files
}

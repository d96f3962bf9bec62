package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/formats"
)

// Git is a Baseline of one or more git refs, the newest first.
type Git struct {
	now        *Workspace
	labels     []string
	workspaces []*Workspace
}

// ReadGit reads the schema files below dir as they stood at each of refs. dir
// is a folder of a git work tree; nothing in it is changed. now is what dir
// holds today: files that were moved since are found again by it.
func ReadGit(ctx context.Context, dir string, now *Workspace, refs []string, protoPaths []string) (*Git, error) {
	g := &Git{now: now}
	prefix, err := RepositoryPath(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("%s is not in a git work tree: %w", dir, err)
	}
	for _, ref := range refs {
		texts, err := readTree(ctx, dir, ref, prefix)
		if err != nil {
			return nil, err
		}
		g.labels = append(g.labels, ref)
		g.workspaces = append(g.workspaces, NewWorkspace(texts, protoPaths))
	}
	return g, nil
}

// RepositoryPath returns the path of dir from the root of its git work tree: ""
// for the root itself, otherwise with a slash at its end.
func RepositoryPath(ctx context.Context, dir string) (string, error) {
	prefix, err := git(ctx, dir, nil, "rev-parse", "--show-prefix")
	return strings.TrimSuffix(string(prefix), "\n"), err
}

// readTree returns the schema files below prefix at ref, by path below prefix.
func readTree(ctx context.Context, dir, ref, prefix string) (map[string]string, error) {
	if strings.HasPrefix(ref, "-") {
		return nil, fmt.Errorf("%q is not a git ref", ref)
	}
	commit, err := git(ctx, dir, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("git knows no commit %q here: fetch it first (in CI, check out with the full history)", ref)
	}
	args := []string{"ls-tree", "-r", "-z", "-l", "--full-tree", strings.TrimSpace(string(commit))}
	if prefix != "" {
		args = append(args, "--", prefix)
	}
	listing, err := git(ctx, dir, nil, args...)
	if err != nil {
		return nil, err
	}
	var names, objects []string
	for _, line := range strings.Split(string(listing), "\x00") {
		// <mode> SP <type> SP <object> SP+ <size> TAB <path>
		info, name, ok := strings.Cut(line, "\t")
		fields := strings.Fields(info)
		if !ok || len(fields) != 4 || fields[1] != "blob" || fields[0] == symbolicLink {
			continue
		}
		rel := strings.TrimPrefix(name, prefix)
		if _, ok := SchemaType(rel); !ok || inIgnoredFolder(rel) {
			continue
		}
		if size, err := strconv.Atoi(fields[3]); err != nil || size > maxFileBytes {
			return nil, fmt.Errorf("%s at %s: %s bytes, more than the %d that a schema file may have", name, ref, fields[3], maxFileBytes)
		}
		names, objects = append(names, rel), append(objects, fields[2])
	}
	return catFiles(ctx, dir, names, objects)
}

// symbolicLink is the mode of a link in a git tree.
const symbolicLink = "120000"

func inIgnoredFolder(name string) bool {
	for d := path.Dir(name); d != "."; d = path.Dir(d) {
		if ignoredFolder(path.Base(d)) {
			return true
		}
	}
	return false
}

// catFiles reads many objects in one go.
func catFiles(ctx context.Context, dir string, names, objects []string) (map[string]string, error) {
	texts := map[string]string{}
	if len(objects) == 0 {
		return texts, nil
	}
	out, err := git(ctx, dir, strings.NewReader(strings.Join(objects, "\n")+"\n"), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		// <object> SP blob SP <size> LF <contents> LF
		header, rest, ok := bytes.Cut(out, []byte("\n"))
		fields := strings.Fields(string(header))
		if !ok || len(fields) != 3 || fields[0] != objects[i] {
			return nil, fmt.Errorf("git cat-file answered %q for %s", header, name)
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil || size < 0 || size >= len(rest) {
			return nil, fmt.Errorf("git cat-file announced %q bytes for %s and sent %d", fields[2], name, len(rest))
		}
		texts[name], out = string(rest[:size]), rest[size+1:]
	}
	return texts, nil
}

func git(ctx context.Context, dir string, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Stdin = dir, stdin
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("git %s: %s", args[0], strings.TrimSpace(string(exit.Stderr)))
	}
	return out, err
}

// Priors returns the file as it stood at every ref that had it, there or
// elsewhere in the folder.
func (g *Git) Priors(_ context.Context, path string) ([]Prior, error) {
	var priors []Prior
	for i, ws := range g.workspaces {
		before, label := path, g.labels[i]
		if !ws.Has(path) {
			if before = movedFrom(g.now, ws, path); before == "" {
				continue
			}
			label += " (there: " + before + ")"
		}
		src, err := ws.Source(before)
		if err != nil {
			return nil, fmt.Errorf("at %s: %w", label, err)
		}
		old, err := formats.Parse(src) // not strict: it was accepted once
		if err != nil {
			return nil, fmt.Errorf("cannot read the version at %s: %w", label, err)
		}
		priors = append(priors, Prior{Label: label, Schema: old})
	}
	return priors, nil
}

// Level has no opinion: levels are not kept in git.
func (g *Git) Level(context.Context, string) (compat.Level, bool, error) { return 0, false, nil }

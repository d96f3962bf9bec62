package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
)

// row is a record in the warehouse: the order, and where in the topic it was.
type row struct {
	OrderID      string    `parquet:"order_id"`
	RestaurantID string    `parquet:"restaurant_id,dict"`
	CourierID    string    `parquet:"courier_id,dict"`
	TotalCents   int64     `parquet:"total_cents"`
	PlacedAt     time.Time `parquet:"placed_at,timestamp(millisecond)"`
	Partition    int32     `parquet:"kafka_partition"`
	Offset       int64     `parquet:"kafka_offset"`
}

// store is the folder. Records [from, to) of a partition become one file for each
// day that they belong to, and then a commit that names the files:
//
//	day=2026-03-02/orders-p3-0-2000.parquet
//	day=2026-03-03/orders-p3-0-2000.parquet
//	_commits/orders-p3-0-2000.json
//
// Data and offsets are remembered together, by the renaming of one file. A file
// that no commit names is left over from a load that died; nobody reads it, and
// the next load removes it.
type store struct{ dir, topic string }

// span is the records of one partition from an offset to another, exclusively.
type span struct {
	Partition int32 `json:"partition"`
	From      int64 `json:"from"`
	To        int64 `json:"to"`
}

func (s span) name(topic string) string {
	return fmt.Sprintf("%s-p%d-%d-%d", topic, s.Partition, s.From, s.To)
}

type commit struct {
	span
	Rows  int      `json:"rows"`
	Files []string `json:"files"` // in the folder
}

func (s *store) commits() ([]commit, error) {
	found, err := filepath.Glob(filepath.Join(s.dir, "_commits", s.topic+"-p*.json"))
	if err != nil {
		return nil, err
	}
	commits := make([]commit, len(found))
	for i, name := range found {
		text, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(text, &commits[i])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	slices.SortFunc(commits, func(a, b commit) int { return int(a.From - b.From) })
	return commits, nil
}

// ends returns where each partition's files end. Files that do not follow one
// another are an error.
func (s *store) ends() (map[int32]int64, error) {
	commits, err := s.commits()
	if err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	for _, c := range commits {
		if end, ok := ends[c.Partition]; ok && c.From != end {
			return nil, fmt.Errorf("%s: partition %d has a commit that ends at offset %d, and the next begins at %d", s.dir, c.Partition, end, c.From)
		}
		ends[c.Partition] = c.To
	}
	return ends, nil
}

// recover removes the files that no commit names, and returns how many there
// were.
func (s *store) recover() (int, error) {
	commits, err := s.commits()
	if err != nil {
		return 0, err
	}
	named := map[string]bool{}
	for _, c := range commits {
		for _, f := range c.Files {
			named[filepath.Join(s.dir, f)] = true
		}
	}
	found, err := filepath.Glob(filepath.Join(s.dir, "day=*", s.topic+"-p*.parquet*"))
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, f := range found {
		if named[f] {
			continue
		}
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// write writes the files of a span and returns the commit, for add.
func (s *store) write(at span, rows []row) (commit, error) {
	c := commit{span: at, Rows: len(rows)}
	days := map[string][]row{}
	for _, r := range rows {
		day := "day=" + r.PlacedAt.UTC().Format(time.DateOnly)
		days[day] = append(days[day], r)
	}
	for day, rows := range days {
		name := filepath.Join(day, at.name(s.topic)+".parquet")
		if err := s.place(name, func(f *os.File) error { return parquet.Write(f, rows, parquet.Compression(&parquet.Zstd)) }); err != nil {
			return c, err
		}
		c.Files = append(c.Files, name)
	}
	slices.Sort(c.Files)
	return c, nil
}

// add makes a span part of the warehouse.
func (s *store) add(c commit) error {
	return s.place(filepath.Join("_commits", c.name(s.topic)+".json"), func(f *os.File) error { return json.NewEncoder(f).Encode(c) })
}

// place writes a file under another name, syncs it, and gives it its own.
func (s *store) place(name string, write func(*os.File) error) error {
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

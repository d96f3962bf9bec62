package avro_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	oracle "github.com/twmb/avro/ocf"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

func ocfFile(t testing.TB, codec string, records int) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := avro.NewOCFWriter(&file, orderSchema, avro.OCFWriterOptions{Codec: codec, BlockBytes: 2000, Metadata: map[string][]byte{"origin": []byte("test")}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		o := newOrder()
		o.Number = int64(i)
		if i%2 == 0 {
			err = w.Write(&o)
		} else {
			err = w.WritePayload(mustMarshal(orderSchema, &o))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestContainerFiles(t *testing.T) {
	for _, codec := range []string{"null", "deflate", "snappy", "zstandard"} {
		t.Run(codec, func(t *testing.T) {
			file := ocfFile(t, codec, 25)
			r, err := avro.NewOCFReader(bytes.NewReader(file), avro.OCFReaderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if string(r.Metadata()["origin"]) != "test" {
				t.Error("the metadata is lost")
			}
			n := 0
			for r.Next() {
				var got order
				if err := r.Decode(&got); err != nil {
					t.Fatal(err)
				}
				want := newOrder()
				want.Number = int64(n)
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("record %d: %+v", n, got)
				}
				n++
			}
			if r.Err() != nil || n != 25 {
				t.Fatalf("%d records, %v", n, r.Err())
			}
			theirs, err := oracle.NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatalf("oracle: %v", err)
			}
			for n = 0; ; n++ {
				var v any
				if err := theirs.Decode(&v); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("oracle: %v", err)
				}
			}
			if n != 25 {
				t.Fatalf("the oracle reads %d records", n)
			}
		})
	}
}

func readAll(file []byte, opts avro.OCFReaderOptions) (int, error) {
	r, err := avro.NewOCFReader(bytes.NewReader(file), opts)
	if err != nil {
		return 0, err
	}
	n := 0
	for r.Next() {
		var v any
		if err := r.Decode(&v); err != nil {
			return n, err
		}
		n++
	}
	return n, r.Err()
}

func TestDamagedContainerFilesAreRefused(t *testing.T) {
	for _, codec := range []string{"null", "deflate", "snappy", "zstandard"} {
		file := ocfFile(t, codec, 3)
		whole, err := readAll(file, avro.OCFReaderOptions{})
		if err != nil || whole != 3 {
			t.Fatal(whole, err)
		}
		for cut := range file {
			n, err := readAll(file[:cut], avro.OCFReaderOptions{})
			// A file that ends behind its header is an empty file.
			if err == nil && n != 0 {
				t.Fatalf("%s: %d records of the first %d of %d bytes", codec, n, cut, len(file))
			}
		}
		if _, err := readAll(file, avro.OCFReaderOptions{MaxBlockBytes: 100}); err == nil {
			t.Fatalf("%s: the bound on blocks does not hold", codec)
		}
		broken := bytes.Clone(file)
		broken[len(broken)-1] ^= 1 // the last sync marker
		if _, err := readAll(broken, avro.OCFReaderOptions{}); err == nil {
			t.Fatalf("%s: a wrong sync marker is accepted", codec)
		}
	}
	file := ocfFile(t, "snappy", 1)
	file[len(file)-17] ^= 1 // the checksum
	if _, err := readAll(file, avro.OCFReaderOptions{}); err == nil {
		t.Fatal("a wrong checksum is accepted")
	}
}

func TestContainerFileIsReadAsTheReader(t *testing.T) {
	type part struct {
		ID       string `avro:"id"`
		Priority int64  `avro:"priority"`
	}
	reader := avro.MustParse(`{"type":"record","name":"Order","fields":[{"name":"id","type":"string"},{"name":"priority","type":"long","default":5}]}`)
	r, err := avro.NewOCFReader(bytes.NewReader(ocfFile(t, "null", 1)), avro.OCFReaderOptions{Reader: reader})
	if err != nil {
		t.Fatal(err)
	}
	var got part
	if !r.Next() || r.Decode(&got) != nil || got != (part{"ord-2026-000123", 5}) {
		t.Fatalf("%+v %v", got, r.Err())
	}
}

func TestSingleObjects(t *testing.T) {
	o := newOrder()
	data, err := avro.AppendSingle([]byte("x"), orderSchema, &o)
	if err != nil {
		t.Fatal(err)
	}
	data = data[1:]
	fp, payload, err := avro.SplitSingle(data)
	if err != nil || fp != orderSchema.Fingerprint64() || !bytes.Equal(data[:2], []byte{0xC3, 1}) {
		t.Fatal(fp, err)
	}
	if err := avro.Validate(orderSchema, payload, avro.ValidateOptions{}); err != nil {
		t.Fatal(err)
	}
	reader := avro.MustParse(`{"type":"record","name":"Order","fields":[{"name":"id","type":"string"}]}`)
	singles := avro.NewSingles(reader, orderSchema)
	var got struct {
		ID string `avro:"id"`
	}
	if err := singles.Unmarshal(data, &got); err != nil || got.ID != o.ID {
		t.Fatal(got, err)
	}
	data[5] ^= 1
	if err := singles.Unmarshal(data, &got); err == nil {
		t.Fatal("an unknown fingerprint is accepted")
	}
	for n := range 10 {
		if _, _, err := avro.SplitSingle(data[:n]); err == nil {
			t.Fatalf("%d bytes are accepted", n)
		}
	}
}

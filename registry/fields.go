package registry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// reservedNames returns the names of fields that metadata reserves.
func reservedNames(m *schema.Metadata) []string {
	list, ok := property(m, reservedProperty)
	if !ok {
		return nil
	}
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// topLevelFields returns the names of a schema's outermost fields: of the
// record, the object, or the first message.
func topLevelFields(s compat.Schema) ([]string, error) {
	if s.Type() == schema.Protobuf {
		file, err := descriptorOf(s)
		if err != nil || len(file.GetMessageType()) == 0 {
			return nil, err
		}
		var names []string
		for _, f := range file.GetMessageType()[0].GetField() {
			names = append(names, f.GetName())
		}
		return names, nil
	}
	if !strings.HasPrefix(s.Canonical(), "{") {
		return nil, nil // a boolean, or a type by name
	}
	var top struct {
		Fields     []struct{ Name string }    `json:"fields"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal([]byte(s.Canonical()), &top); err != nil {
		return nil, err
	}
	var names []string
	for _, f := range top.Fields {
		names = append(names, f.Name)
	}
	for p := range top.Properties {
		names = append(names, p)
	}
	sort.Strings(names[len(top.Fields):])
	return names, nil
}

// descriptorOf returns the descriptor of a Protobuf schema's own file.
func descriptorOf(s compat.Schema) (*descriptorpb.FileDescriptorProto, error) {
	text, err := s.Format("serialized")
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("serialized form: %w", err)
	}
	file := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(b, file); err != nil {
		return nil, fmt.Errorf("serialized form: %w", err)
	}
	return file, nil
}

// dollarProperty returns the first top-level property of a JSON Schema whose
// name begins with the prefix that validateFields keeps for itself.
func dollarProperty(text string) string {
	var top struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal([]byte(text), &top) != nil {
		return ""
	}
	found := ""
	for p := range top.Properties {
		if strings.HasPrefix(p, "$$") && (found == "" || p < found) {
			found = p
		}
	}
	return found
}

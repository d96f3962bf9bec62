package rules

import (
	"net/mail"
	"net/netip"
	"net/url"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// stringFunctions are the tests of strings that data contracts know, as
// methods: value.isEmail().
func stringFunctions() []cel.EnvOption {
	var out []cel.EnvOption
	for name, test := range map[string]func(string) bool{
		"isEmail": isEmail, "isHostname": isHostname, "isIpv4": isIPv4, "isIpv6": isIPv6,
		"isUri": isURI, "isUriRef": isURIRef, "isUuid": isUUID,
	} {
		out = append(out, cel.Function(name, cel.MemberOverload("string_"+name, []*cel.Type{cel.StringType}, cel.BoolType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				s, ok := v.(types.String)
				if !ok {
					return types.MaybeNoSuchOverloadErr(v)
				}
				return types.Bool(test(string(s)))
			}))))
	}
	return out
}

// isEmail takes a bare address (RFC 5322, no display name) at a host name.
func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s {
		return false
	}
	local, host := s[:strings.LastIndexByte(s, '@')], s[strings.LastIndexByte(s, '@')+1:]
	return len(s) <= 254 && len(local) <= 64 && isHostname(host)
}

// isHostname takes names of RFC 1123: labels of letters, digits and inner
// hyphens, 63 characters each, 253 together.
func isHostname(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	digits := true
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		digits = true // of the last label: an address is no name
		for _, c := range []byte(label) {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			digit := c >= '0' && c <= '9'
			if !letter && !digit && c != '-' {
				return false
			}
			digits = digits && digit
		}
	}
	return !digits
}

func isIPv4(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6() && a.Zone() == ""
}

// isURI takes absolute URIs.
func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && onlyURICharacters(s)
}

// isURIRef takes absolute and relative ones.
func isURIRef(s string) bool {
	_, err := url.Parse(s)
	return err == nil && onlyURICharacters(s)
}

// onlyURICharacters reports whether a string has only what RFC 3986 allows.
func onlyURICharacters(s string) bool {
	for _, c := range []byte(s) {
		if c <= 0x20 || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return false
		}
	}
	return true
}

// isUUID takes the form with hyphens, in either letter case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}

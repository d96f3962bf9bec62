package compat

import (
	"fmt"
	"strings"
)

// Level is the promise that every new version of a subject has to keep.
type Level uint8

// Levels. Transitive levels hold against every live version, the others
// against the newest one.
const (
	None Level = iota
	LevelBackward
	LevelBackwardTransitive
	LevelForward
	LevelForwardTransitive
	LevelFull
	LevelFullTransitive
)

var levelNames = [...]string{
	None:                    "NONE",
	LevelBackward:           "BACKWARD",
	LevelBackwardTransitive: "BACKWARD_TRANSITIVE",
	LevelForward:            "FORWARD",
	LevelForwardTransitive:  "FORWARD_TRANSITIVE",
	LevelFull:               "FULL",
	LevelFullTransitive:     "FULL_TRANSITIVE",
}

func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("Level(%d)", uint8(l))
}

// ParseLevel reads a level's name in any letter case.
func ParseLevel(s string) (Level, error) {
	for l, name := range levelNames {
		if strings.EqualFold(s, name) {
			return Level(l), nil
		}
	}
	return None, fmt.Errorf("compat: unknown compatibility level %q: want one of %s", s, strings.Join(levelNames[:], ", "))
}

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the level's name in any letter case.
func (l *Level) UnmarshalText(b []byte) (err error) {
	*l, err = ParseLevel(string(b))
	return err
}

// Transitive reports whether l holds against all live versions.
func (l Level) Transitive() bool {
	return l == LevelBackwardTransitive || l == LevelForwardTransitive || l == LevelFullTransitive
}

// directions returns the comparisons that l asks for, in the order in which
// the reference server reports them.
func (l Level) directions() []Roles {
	switch l {
	case LevelBackward, LevelBackwardTransitive:
		return []Roles{Backward}
	case LevelForward, LevelForwardTransitive:
		return []Roles{Forward}
	case LevelFull, LevelFullTransitive:
		return []Roles{Forward, Backward}
	}
	return nil
}

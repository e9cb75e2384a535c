// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Error is what is wrong in a line of a file.
type Error struct {
	File string `json:"file"`
	Line int    `json:"line"`
	What string `json:"error"`
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.What) }

// Errors are all that is wrong in a file, in order of lines.
type Errors []*Error

func (e Errors) Error() string {
	var all []string
	for _, one := range e {
		all = append(all, one.Error())
	}
	return strings.Join(all, "\n")
}

// Load reads a file. What is wrong in it comes as [Errors].
func Load(path string, known Known) (*Config, error) {
	document, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, document, known)
}

// Parse reads a document; name is what errors call it.
func Parse(name string, document []byte, known Known) (*Config, error) {
	c := &check{file: name, known: known}
	var f file
	decoder := toml.NewDecoder(bytes.NewReader(document)).DisallowUnknownFields()
	err := decoder.Decode(&f)
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		for i := range unknown.Errors {
			e := &unknown.Errors[i]
			line, _ := e.Position()
			c.add(line, "%s: there is no such key", strings.Join(e.Key(), "."))
		}
	case errors.As(err, &wrong):
		// The rest was not read: there is nothing to check.
		line, _ := wrong.Position()
		what := strings.TrimPrefix(wrong.Error(), "toml: ")
		if key := strings.Join(wrong.Key(), "."); key != "" {
			what = key + ": " + what
		}
		c.add(line, "%s", what)
		return nil, c.errors
	case err != nil:
		c.add(1, "%s", strings.TrimPrefix(err.Error(), "toml: "))
		return nil, c.errors
	}
	c.lines = findLines(document)
	config := c.config(f)
	if len(c.errors) > 0 {
		slices.SortStableFunc(c.errors, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
		return nil, c.errors
	}
	return config, nil
}

// check collects what is wrong.
type check struct {
	file   string
	known  Known
	lines  lines
	errors Errors

	// path is that of the device being checked, and name its name.
	path, name string
}

func (c *check) add(line int, format string, args ...any) {
	c.errors = append(c.errors, &Error{c.file, line, fmt.Sprintf(format, args...)})
}

// bad says what is wrong with a key of the device being checked.
func (c *check) bad(key, format string, args ...any) {
	what := key + ": " + fmt.Sprintf(format, args...)
	if c.name != "" {
		what = fmt.Sprintf("device %q: %s", c.name, what)
	}
	c.add(c.lines.find(c.path+"."+key), "%s", what)
}

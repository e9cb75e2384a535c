// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestSVG(t *testing.T) {
	svg := string(toSVG("plain \x1b[1;38;5;31mbold <blue>\x1b[0m\n\x1b[48;5;237m日本\x1b[0m x │\x1b[7mback\x1b[0m\n", "a & b", 30, 2, 3, 1))
	for _, want := range []string{
		`textLength="42.0" lengthAdjust="spacingAndGlyphs" xml:space="preserve">plain</text>`,
		`fill="#0087af" font-weight="bold" textLength="92.4" lengthAdjust="spacingAndGlyphs" xml:space="preserve">bold &lt;blue&gt;</text>`,
		`width="33.6" height="19" fill="#3a3a3a"/>`,
		`textLength="16.8" lengthAdjust="spacingAndGlyphs" xml:space="preserve">日</text>`,
		`fill="` + background + `" textLength="33.6" lengthAdjust="spacingAndGlyphs" xml:space="preserve">back</text>`,
		`>a &amp; b</text>`,
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
	if strings.Contains(svg, "│") {
		t.Error("a line is drawn as a character")
	}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

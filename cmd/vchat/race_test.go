// SPDX-License-Identifier: Apache-2.0

//go:build race

package main

func init() { buildFlags = append(buildFlags, "-race") }

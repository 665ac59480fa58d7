//go:build !linux

package main

import "errors"

func confineKernel() error { return errors.New("only Linux has seccomp filters") }

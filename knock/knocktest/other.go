//go:build !linux

package knocktest

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// Only Linux has network namespaces: elsewhere Need ends each test first.

func move() (code int, moved bool, err error) {
	return 0, false, errors.New("they need Linux")
}

func inside() bool { return false }

func isolate(*exec.Cmd) {}

func signalInside(int, syscall.Signal) error { return os.ErrProcessDone }

func (*Host) enter(func() error) error { return errors.ErrUnsupported }

func openTUN(string) (*os.File, error) { return nil, errors.ErrUnsupported }

type sniffer struct{}

func sniff(string, bool, uint32) (*sniffer, error) { return nil, errors.ErrUnsupported }

func (*sniffer) drain() ([]segment, error) { return nil, errors.ErrUnsupported }
func (*sniffer) follow(func())             {}
func (*sniffer) Close() error              { return nil }

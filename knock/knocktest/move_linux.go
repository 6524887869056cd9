package knocktest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// statusFD is where the moved process reports that its namespaces are set up, or
// why not.
const statusFD = 3

// netns names the network namespace of this process.
func netns() string {
	name, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return ""
	}
	return name
}

// inside reports whether this process runs in a namespace made by Main. It
// compares, since the variable alone may have been exported by a user.
func inside() bool {
	outside := os.Getenv(envOutside)
	return outside != "" && netns() != "" && outside != netns()
}

// move executes the test binary again in namespaces of its own, waits for its end,
// and returns its exit code with moved set. In the new process, and where that
// fails, moved is false.
func move() (code int, moved bool, err error) {
	switch {
	case inside() && os.Getenv(envMoving) != "":
		// Further processes of this binary need no set-up.
		if err := os.Unsetenv(envMoving); err != nil {
			return 0, false, err
		}
		status := os.NewFile(statusFD, "status")
		failed, said := setUp(), "ok"
		if failed != nil {
			said = failed.Error()
		}
		_, err = io.WriteString(status, said)
		if err := errors.Join(failed, err, status.Close()); err != nil {
			return 1, true, nil // the parent runs the tests
		}
		return 0, false, nil
	case inside():
		return 0, false, nil
	case os.Getenv(envMoving) != "" || netns() == "":
		// Without this the process would execute itself forever.
		return 0, false, errors.New("/proc does not show the network namespace")
	case os.Getenv(envMissing) != "":
		return 0, false, errors.New(os.Getenv(envMissing))
	}

	// Pdeathsig is sent when the thread that started the process ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	flags := []uintptr{syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	// Root in a container may be allowed only the second.
	flags = append(flags, flags[0]|syscall.CLONE_NEWUSER)
	if os.Geteuid() != 0 {
		flags = flags[1:]
	}
	for _, f := range flags {
		if code, moved, err = moveTo(f); moved {
			break
		}
	}
	return code, moved, err
}

// moveTo starts the test binary with the given clone flags and waits for its end.
func moveTo(flags uintptr) (code int, moved bool, err error) {
	exe, err := os.Executable()
	if err != nil {
		return 0, false, err
	}
	status, theirs, err := os.Pipe()
	if err != nil {
		return 0, false, err
	}
	defer status.Close()
	cmd := exec.Command(exe)
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), envOutside+"="+netns(), envMoving+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	defer func() {
		signal.Stop(signals)
		close(signals)
	}()
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return 0, false, err
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may just have ended
		}
	}()

	said, _ := io.ReadAll(status) // after an error the text is not "ok"
	err = cmd.Wait()
	if string(said) != "ok" {
		return 0, false, fmt.Errorf("the new namespace could not be set up: %s", strings.TrimSpace(string(said)))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, false, err
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), true, nil // as the shell has it
	}
	return cmd.ProcessState.ExitCode(), true, nil
}

// setUp prepares the new namespaces: private mounts, a /run of their own (iptables,
// ip and sshd have files there), and the loopback device.
func setUp() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts cannot be made private: %w", err)
	}
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("no tmpfs on /run: %w", err)
	}
	for _, dir := range []string{"lock", "netns", "sshd"} {
		if err := os.Mkdir(filepath.Join("/run", dir), 0o755); err != nil {
			return err
		}
	}
	return loopbackUp()
}

// loopbackUp does "ip link set lo up", also where ip is not installed.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("lo does not go up: %w", err)
	}
	return nil
}

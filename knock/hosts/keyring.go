package hosts

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/zalando/go-keyring"

	"rapport/knock"
)

const keyringService = "rapport"

// ErrNoKeyring says that this machine has no keyring that can be used now.
var ErrNoKeyring = errors.New("no keyring can be used here")

// SaveKeyring puts a host's secret into the system's keyring, in the place of any before:
// service rapport, user the host's name. It wraps ErrNoKeyring where there is none.
func SaveKeyring(name string, secret knock.Secret) error {
	if secret.IsZero() {
		return fmt.Errorf("host %s: %w: it is empty", knock.Quote(name), knock.ErrSecret)
	}
	_, err := waitKeyring(context.Background(), func() (string, error) {
		return "", keyring.Set(keyringService, keyringUser(name), secret.Reveal())
	})
	return keyringError(name, secret.Reveal(), err)
}

func readKeyring(ctx context.Context, name string) (knock.Secret, error) {
	text, err := waitKeyring(ctx, func() (string, error) {
		return keyring.Get(keyringService, keyringUser(name))
	})
	if err != nil {
		return knock.Secret{}, keyringError(name, "", err)
	}
	s, err := knock.ParseSecret(text)
	if err != nil {
		return knock.Secret{}, fmt.Errorf("keyring entry for host %s: %w", knock.Quote(name), err)
	}
	return s, nil
}

// keyringUser is a host's name in the keyring; case does not tell hosts apart.
func keyringUser(name string) string { return strings.ToLower(name) }

// errKeyringTimeout says that the keyring did not answer, or nobody unlocked it.
var errKeyringTimeout = fmt.Errorf("the keyring did not answer within %v; unlock it, or store the secret in a file instead", secretTimeout)

// waitKeyring waits for a keyring, which may ask its user to unlock it.
func waitKeyring(ctx context.Context, do func() (string, error)) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, secretTimeout, errKeyringTimeout)
	defer cancel()
	select {
	case r := <-async(do):
		return r.value, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// keyringError turns a keyring's error into one clear line, without the secret.
func keyringError(name, secret string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errKeyringTimeout):
		return fmt.Errorf("host %s: keyring: %w", knock.Quote(name), err)
	case errors.Is(err, keyring.ErrNotFound):
		return fmt.Errorf("the keyring has no secret for host %s; rapport hosts edit --generate makes a new one", knock.Quote(name))
	case errors.Is(err, keyring.ErrSetDataTooBig):
		return fmt.Errorf("the secret of host %s is too long for the keyring; store it in a file instead", knock.Quote(name))
	case errors.Is(err, keyring.ErrUnsupportedPlatform):
		return fmt.Errorf("%w: this build for %s knows none; store it in a file instead", ErrNoKeyring, runtime.GOOS)
	}
	said := err.Error()
	// The errors of D-Bus and its library if no service runs.
	for _, sign := range []string{"org.freedesktop.secrets", "dbus", "session bus", "DBUS", "D-Bus", "connection refused", "no such file"} {
		if strings.Contains(said, sign) {
			return fmt.Errorf("%w: no Secret Service (GNOME Keyring, KWallet, KeePassXC) is running in this session; store it in a file instead", ErrNoKeyring)
		}
	}
	if secret != "" {
		said = strings.ReplaceAll(said, secret, "(secret)")
	}
	return fmt.Errorf("the keyring failed for host %s: %s; store it in a file instead", knock.Quote(name), knock.Excerpt(said))
}

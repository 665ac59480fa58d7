// Command registry is an OCI registry in memory on a free loopback port, for tests.
//
// It prints one line `ready http://127.0.0.1:PORT`, and ends at SIGTERM or SIGINT, or when its standard input ends: that is so when the
// process that started it is gone.
package main

import (
	"crypto/subtle"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/google/go-containerregistry/pkg/registry"
)

// A login is what a client has to show, if anything.
type login struct {
	user, password string
}

func main() {
	var demanded login
	flag.StringVar(&demanded.user, "user", "", "user name that clients have to give (HTTP basic authentication); empty: everybody may")
	flag.StringVar(&demanded.password, "password", "", "password of the user")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "registry: takes no argument but flags, and got %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := serve(demanded); err != nil {
		fmt.Fprintf(os.Stderr, "registry: %v\n", err)
		os.Exit(1)
	}
}

// serve answers requests until the process is to end.
func serve(demanded login) error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	server := &http.Server{Handler: demanded.guard(registry.New(quiet))}
	go func() {
		waitForEnd()
		_ = server.Close()
	}()
	fmt.Printf("ready http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// guard answers 401 to whoever does not show the login, as a registry with basic authentication does.
func (l login) guard(next http.Handler) http.Handler {
	if l == (login{}) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		same := subtle.ConstantTimeCompare([]byte(user+":"+password), []byte(l.user+":"+l.password))
		if same != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// waitForEnd waits for a signal or the end of standard input.
func waitForEnd() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		end <- syscall.SIGTERM
	}()
	<-end
}

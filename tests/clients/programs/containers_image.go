// Command containers-image does with the library of podman, skopeo and CRI-O what they do with it:
// copy SOURCE DESTINATION, login HOST USER with the password on stdin, logout HOST.
package main

import (
	"context"
	"io"
	"log"
	"os"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/transports/alltransports"
)

func run(arguments []string) error {
	switch arguments[0] {
	case "login":
		password, err := io.ReadAll(os.Stdin)
		if err == nil {
			_, err = config.SetCredentials(nil, arguments[1], arguments[2], string(password))
		}
		return err
	case "logout":
		return config.RemoveAuthentication(nil, arguments[1])
	}
	source, err := alltransports.ParseImageName(arguments[1])
	if err != nil {
		return err
	}
	destination, err := alltransports.ParseImageName(arguments[2])
	if err != nil {
		return err
	}
	policy, err := signature.DefaultPolicy(nil)
	if err != nil {
		return err
	}
	trust, err := signature.NewPolicyContext(policy)
	if err == nil {
		_, err = copy.Image(context.Background(), trust, destination, source, nil)
	}
	return err
}

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

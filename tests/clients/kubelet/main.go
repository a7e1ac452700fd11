// Command kubelet looks up credentials for the images of pods by kubelet's own code, without the
// rest of kubelet: its configuration and the directory of its providers are the two arguments.
//
// On stdin are rounds of pods, in JSON; all pods of a round ask at once. On stdout is, for each pod,
// what kubelet would hand to the container runtime; on stderr what it logs.
package main

import (
	"encoding/json"
	"os"
	"sync"

	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/credentialprovider/plugin"
)

// A pod asks for one image; without a ServiceAccount it is a static one.
type pod struct {
	Name, Namespace, ServiceAccount, Token, Image string
	Annotations                                   map[string]string
}

type credentials struct{ Username, Password string }

func main() {
	var rounds [][]pod
	if err := json.NewDecoder(os.Stdin).Decode(&rounds); err != nil {
		klog.Fatal(err)
	}
	tokens := map[string]string{}
	annotations := map[string]map[string]string{}
	for _, pods := range rounds {
		for _, each := range pods {
			tokens[each.Name] = each.Token
			annotations[each.Namespace+"/"+each.ServiceAccount] = each.Annotations
		}
	}
	// In place of the API server. A token is issued to a pod.
	issue := func(_, _ string, request *authentication.TokenRequest) (*authentication.TokenRequest, error) {
		request.Status.Token = tokens[request.Spec.BoundObjectRef.Name]
		return request, nil
	}
	account := func(namespace, name string) (*core.ServiceAccount, error) {
		key := namespace + "/" + name
		return &core.ServiceAccount{ObjectMeta: meta.ObjectMeta{
			Name: name, Namespace: namespace, UID: types.UID(key), Annotations: annotations[key],
		}}, nil
	}
	if err := plugin.RegisterCredentialProviderPlugins(os.Args[1], os.Args[2], issue, account); err != nil {
		klog.Fatal(err)
	}
	answers := [][][]credentials{}
	for _, pods := range rounds {
		answers = append(answers, lookUp(pods))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		klog.Fatal(err)
	}
}

// lookUp returns what is found for each pod.
func lookUp(pods []pod) [][]credentials {
	found := make([][]credentials, len(pods))
	var group sync.WaitGroup
	for number, each := range pods {
		group.Go(func() {
			keyring := plugin.NewExternalCredentialProviderDockerKeyring(
				each.Namespace, each.Name, "uid-of-"+each.Name, each.ServiceAccount)
			configs, _ := keyring.Lookup(each.Image)
			found[number] = []credentials{}
			for _, config := range configs {
				found[number] = append(found[number], credentials{config.Username, config.Password})
			}
		})
	}
	group.Wait()
	return found
}

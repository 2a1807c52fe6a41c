// The plugin of @pulumi/gcp for the few resources and functions that the tests use: Terraform's provider for Google Cloud by
// Pulumi's bridge, as the published plugin is.
package main

import (
	"github.com/hashicorp/terraform-provider-google/google/provider"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// The version of @pulumi/gcp that this stands in for, set by the linker.
var version = "0.0.0"

var resources = map[string]string{
	"google_compute_firewall": "gcp:compute/firewall:Firewall",
	"google_compute_image":    "gcp:compute/image:Image",
	"google_compute_instance": "gcp:compute/instance:Instance",
}

var functions = map[string]string{
	"google_compute_machine_types": "gcp:compute/getMachineTypes:getMachineTypes",
}

func main() {
	info := tfbridge.ProviderInfo{
		P:              shim.NewProvider(provider.Provider()),
		Name:           "google",
		ResourcePrefix: "google",
		Version:        version,
		Resources:      map[string]*tfbridge.ResourceInfo{},
		DataSources:    map[string]*tfbridge.DataSourceInfo{},
	}
	for name, token := range resources {
		info.Resources[name] = &tfbridge.ResourceInfo{Tok: tokens.Type(token)}
	}
	for name, token := range functions {
		info.DataSources[name] = &tfbridge.DataSourceInfo{Tok: tokens.ModuleMember(token)}
	}
	info.SetAutonaming(255, "-")
	tfbridge.Main("gcp", version, info, []byte("{}"))
}

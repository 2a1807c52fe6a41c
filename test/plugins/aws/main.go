// The plugin of @pulumi/aws for the few resources and functions that the tests use: Terraform's provider for AWS by
// Pulumi's bridge, as the published plugin is.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-provider-aws/internal/conns"
	"github.com/hashicorp/terraform-provider-aws/internal/provider/sdkv2"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// The version of @pulumi/aws that this stands in for, set by the linker.
var version = "0.0.0"

var resources = map[string]string{
	"aws_ami":                   "aws:ec2/ami:Ami",
	"aws_ami_copy":              "aws:ec2/amiCopy:AmiCopy",
	"aws_ami_launch_permission": "aws:ec2/amiLaunchPermission:AmiLaunchPermission",
	"aws_instance":              "aws:ec2/instance:Instance",
	"aws_security_group":        "aws:ec2/securityGroup:SecurityGroup",
}

var functions = map[string]string{
	"aws_ec2_instance_type": "aws:ec2/getInstanceType:getInstanceType",
	"aws_region":            "aws:index/getRegion:getRegion",
	"aws_subnet":            "aws:ec2/getSubnet:getSubnet",
}

// Upstream's is written for Terraform's plugin framework, whose bridge needs the code generators of all of Pulumi's languages. It, too,
// tells what the client was configured with.
func region() *schema.Resource {
	return &schema.Resource{
		Schema: map[string]*schema.Schema{"region": {Type: schema.TypeString, Optional: true, Computed: true}},
		ReadContext: func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
			name := meta.(*conns.AWSClient).Region(ctx)
			d.SetId(name)
			return diag.FromErr(d.Set("region", name))
		},
	}
}

func main() {
	upstream, err := sdkv2.NewProvider(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	upstream.DataSourcesMap["aws_region"] = region()
	info := tfbridge.ProviderInfo{
		P:           shim.NewProvider(upstream),
		Name:        "aws",
		Version:     version,
		Resources:   map[string]*tfbridge.ResourceInfo{},
		DataSources: map[string]*tfbridge.DataSourceInfo{},
	}
	for name, token := range resources {
		info.Resources[name] = &tfbridge.ResourceInfo{Tok: tokens.Type(token)}
	}
	for name, token := range functions {
		info.DataSources[name] = &tfbridge.DataSourceInfo{Tok: tokens.ModuleMember(token)}
	}
	info.SetAutonaming(255, "-")
	tfbridge.Main("aws", version, info, []byte("{}"))
}

package metadata

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/host"
)

// compute returns the element "compute" of a machine, from its resource. Elements that are newer than the
// version are left out; elements without a property in the resource are empty.
func compute(in host.Instance, version string) map[string]any {
	props := object(in.Properties)
	image := props.at("storageProfile", "imageReference")
	os := props.at("osProfile")
	all := map[string]any{}
	since := func(v, name string, value any) {
		if version >= v {
			all[name] = value
		}
	}
	since("2017-04-02", "location", in.Location)
	since("2017-04-02", "name", in.Name)
	since("2017-04-02", "offer", image.text("offer"))
	since("2017-04-02", "osType", osType(props))
	since("2017-04-02", "platformFaultDomain", or(props.text("platformFaultDomain"), "0"))
	since("2017-04-02", "platformUpdateDomain", or(props.text("platformUpdateDomain"), "0"))
	since("2017-04-02", "publisher", image.text("publisher"))
	since("2017-04-02", "sku", image.text("sku"))
	since("2017-04-02", "version", image.text("version"))
	since("2017-04-02", "vmId", or(props.text("vmId"), in.UniqueID))
	since("2017-04-02", "vmSize", props.at("hardwareProfile").text("vmSize"))
	since("2017-08-01", "placementGroupId", "")
	since("2017-08-01", "resourceGroupName", in.ResourceGroup)
	since("2017-08-01", "subscriptionId", in.SubscriptionID)
	since("2017-08-01", "tags", tags(in.Tags))
	since("2017-12-01", "vmScaleSetName", scaleSet(in.ID))
	since("2017-12-01", "zone", strings.Join(in.Zones, ","))
	plan := object(in.Plan)
	since("2018-04-02", "plan", map[string]any{
		"name": plan.text("name"), "product": plan.text("product"), "publisher": plan.text("publisher"),
	})
	since("2018-04-02", "publicKeys", publicKeys(os))
	since("2018-10-01", "azEnvironment", "AzurePublicCloud")
	since("2018-10-01", "provider", provider(in.Type))
	since("2019-02-01", "customData", "")
	since("2019-03-11", "resourceId", in.ID)
	since("2019-06-01", "storageProfile", storage(props, image))
	since("2019-06-04", "tagsList", tagsList(in.Tags))
	since("2020-06-01", "isHostCompatibilityLayerVm", "false")
	security := props.at("securityProfile")
	since("2020-06-01", "securityProfile", map[string]any{
		"secureBootEnabled": or(security.at("uefiSettings").text("secureBootEnabled"), "false"),
		"virtualTpmEnabled": or(security.at("uefiSettings").text("vTpmEnabled"), "false"),
		"encryptionAtHost":  or(security.text("encryptionAtHost"), "false"),
		"securityType":      security.text("securityType"),
	})
	since("2020-07-15", "osProfile", map[string]any{
		"adminUsername": os.text("adminUsername"), "computerName": or(os.text("computerName"), in.Name),
		"disablePasswordAuthentication": os.at("linuxConfiguration").text("disablePasswordAuthentication"),
	})
	since("2020-09-01", "licenseType", props.text("licenseType"))
	since("2020-12-01", "evictionPolicy", props.text("evictionPolicy"))
	since("2020-12-01", "priority", props.text("priority"))
	since("2021-01-01", "userData", props.text("userData"))
	since("2021-03-01", "virtualMachineScaleSet", map[string]any{"id": props.at("virtualMachineScaleSet").text("id")})
	return all
}

// tree is a JSON object whose strings, numbers and booleans are read as strings.
type tree map[string]any

func object(data []byte) tree {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var t tree
	if dec.Decode(&t) != nil {
		return nil // data is empty or not an object
	}
	return t
}

// child finds a member. Names are compared without case, as ARM compares names of properties.
func (t tree) child(name string) any {
	if v, found := t[name]; found {
		return v
	}
	for key, v := range t {
		if arm.SameName(key, name) {
			return v
		}
	}
	return nil
}

func (t tree) at(path ...string) tree {
	for _, name := range path {
		next, _ := t.child(name).(map[string]any)
		t = next
	}
	return t
}

func (t tree) list(name string) []tree {
	items, _ := t.child(name).([]any)
	var all []tree
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			all = append(all, object)
		}
	}
	return all
}

func (t tree) text(name string) string { return leaf(t.child(name)) }

func leaf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	return ""
}

func or(value, instead string) string {
	if value == "" {
		return instead
	}
	return value
}

func tags(all map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		pairs = append(pairs, name+":"+all[name])
	}
	return strings.Join(pairs, ";")
}

func tagsList(all map[string]string) []any {
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, map[string]any{"name": name, "value": all[name]})
	}
	return list
}

func osType(props tree) string {
	if t := props.at("storageProfile", "osDisk").text("osType"); t != "" {
		return t
	}
	os := props.at("osProfile")
	switch {
	case os.child("linuxConfiguration") != nil:
		return "Linux"
	case os.child("windowsConfiguration") != nil:
		return "Windows"
	}
	return props.text("osType") // Arc machines
}

func provider(resourceType string) string {
	namespace, _, _ := strings.Cut(resourceType, "/")
	return namespace
}

// scaleSet returns the name of the scale set of an instance, or an empty text.
func scaleSet(id string) string {
	segments := strings.Split(id, "/")
	for i, s := range segments[:max(0, len(segments)-2)] {
		if arm.SameName(s, "virtualMachineScaleSets") {
			return segments[i+1]
		}
	}
	return ""
}

func publicKeys(os tree) []any {
	keys := []any{}
	for _, key := range os.at("linuxConfiguration", "ssh").list("publicKeys") {
		keys = append(keys, map[string]any{"keyData": key.text("keyData"), "path": key.text("path")})
	}
	return keys
}

func storage(props, image tree) map[string]any {
	profile := props.at("storageProfile")
	disks := []any{}
	for _, d := range profile.list("dataDisks") {
		data := disk(d)
		data["lun"] = d.text("lun")
		disks = append(disks, data)
	}
	osDisk := disk(profile.at("osDisk"))
	osDisk["osType"] = osType(props)
	osDisk["diffDiskSettings"] = map[string]any{"option": profile.at("osDisk", "diffDiskSettings").text("option")}
	return map[string]any{
		"dataDisks": disks,
		"imageReference": map[string]any{
			"id": image.text("id"), "offer": image.text("offer"), "publisher": image.text("publisher"),
			"sku": image.text("sku"), "version": image.text("version"),
		},
		"osDisk":       osDisk,
		"resourceDisk": map[string]any{"size": "0"},
	}
}

func disk(d tree) map[string]any {
	managed := d.at("managedDisk")
	return map[string]any{
		"caching": d.text("caching"), "createOption": d.text("createOption"), "diskSizeGB": d.text("diskSizeGB"),
		"image": map[string]any{"uri": d.at("image").text("uri")}, "name": d.text("name"),
		"managedDisk":             map[string]any{"id": managed.text("id"), "storageAccountType": managed.text("storageAccountType")},
		"vhd":                     map[string]any{"uri": d.at("vhd").text("uri")},
		"writeAcceleratorEnabled": or(d.text("writeAcceleratorEnabled"), "false"),
	}
}

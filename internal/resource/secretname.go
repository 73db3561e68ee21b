package resource

import (
	"strings"

	"midas/internal/arm"
)

// IsSecretName reports whether a property of this name is a secret in a resource of any type. The name
// must be folded.
//
// The names are those that Microsoft's OpenAPI descriptions of all resource providers mark
// "x-ms-secret", or describe as write-only secrets, as far as the name alone says so. Most end in the
// same few words, and so will those of providers that nobody has described yet.
func IsSecretName(folded string) bool {
	if secretNames[folded] {
		return true
	}
	if publicNames[folded] {
		return false
	}
	for _, end := range secretEndings {
		if strings.HasSuffix(folded, end) {
			return true
		}
	}
	return false
}

// secretEndings are how the folded names of secrets end.
var secretEndings = [...]string{
	"password", "passwords", "passwd", "passphrase", "secret", "secrets", "token",
	"connectionstring", "connectionstrings", "kubeconfig", "kubeconfigs",
	"accesskey", "accesskey1", "accesskey2", "accesskeys", "accountkey", "accountkeys", "apikey", "apikeys", "authkey", "authkey1", "authkey2",
	"authenticationkey", "authorizationkey", "accesspolicykey", "ingestionkey", "instrumentationkey", "managementkey", "masterkey",
	"privatekey", "privatekeys", "primarykey", "secondarykey", "saskey", "secretkey", "sharedkey", "storagekey", "subscriptionkey",
}

// secretNames are further folded names of secrets.
var secretNames = set(
	"admcredential", "apnscredential", "baiducredential", "browsercredential", "fcmv1credential", "gcmcredential", "mpnscredential",
	"wnscredential", "xiaomicredential", "encryptedcredential",
	"applicationkey", "bitlockerkey", "carrieraccountnumber", "certificatekey", "clientcertificateprivatekey",
	"connectionstringprimarykey", "connectionstringsecondarykey", "customdata", "encryptedcredentials", "hostkey", "key1", "key2", "keytab",
	"linkingauthcode", "operatorkeycode", "passwordvalue", "pfx", "pfxblob", "pfxdata", "pfxfile", "pnscredentials", "privatekeycontent",
	"privatekeydata", "productkey", "protectedparameters", "protectedsettings", "publishingpasswordhash", "publishingpasswordhashsalt",
	"sasuri", "secretconfigurationvalue", "secretdata", "secretdeploymentvalues", "secretresources", "secrettext", "secretvalue",
	"securevalue", "sslkey", "storageaccountprimarykey", "targetcontainerhostcredentialsbase64", "triggeruri", "uploadsasuri",
	"userstoragekey", "validationkey", "workspacekey",
)

// publicNames are folded names that end like secrets and are none.
var publicNames = set(
	"continuationtoken", "nexttoken", "publickeytoken", "skiptoken",
	"syncntlmpasswords", "synckerberospasswords", "synconprempasswords",
)

// typeRules are the paths that are secret in resources of one type, or of one provider, and in those
// nested in them. Names that are secret in every type are not repeated here.
var typeRules = [...]struct {
	of    arm.Type
	paths string
}{
	{"Microsoft.ApiManagement/service/namedValues", "value"},
	{"Microsoft.ApiManagement/service/properties", "value"},
	{"Microsoft.ApiManagement", "certificates/data hostnameconfigurations/encodedcertificate encodedcertificate"},
	{"Microsoft.ApiManagement/service/certificates", "data"},
	{"Microsoft.App", "certificates/value"},
	{"Microsoft.App/managedEnvironments/certificates", "value"},
	{"Microsoft.App/connectedEnvironments/certificates", "value"},
	{"Microsoft.Automation/automationAccounts/variables", "value"},
	{"Microsoft.Automation/automationAccounts/certificates", "base64value"},
	{"Microsoft.Automation/automationAccounts/connections", "fielddefinitionvalues"},
	{"Microsoft.AzureFleet", "additionalunattendcontent/content"},
	{"Microsoft.Compute", "additionalunattendcontent/content userdata"},
	{"Microsoft.HealthBot", "keyvaultproperties/value secrets/value"},
	{"Microsoft.HybridNetwork", "customprofile/value"},
	{"Microsoft.KeyVault/vaults/secrets", "value"},
	{"Microsoft.MachineLearningServices", "credentials"},
	{"Microsoft.CognitiveServices", "credentials"},
	{"Microsoft.Network/applicationGateways", "sslcertificates/properties/data sslcertificates/data"},
	{"Microsoft.NetApp", "serverrootcacertificate"},
	{"Microsoft.NotificationHubs", "apnscertificate wnscertificate mpnscertificate googleapikey"},
	{"Microsoft.ServiceLinker", "authinfo/certificate secretinfo/value"},
	{"Microsoft.SignalRService", "userinfo"},
	{"Microsoft.Web", "appsettings"},
}

// rulesOf are the secret paths of a type.
func rulesOf(typ arm.Type) []string {
	key := typ.Key() + "/"
	var rules []string
	for _, rule := range typeRules {
		if strings.HasPrefix(key, rule.of.Key()+"/") {
			rules = append(rules, strings.Fields(rule.paths)...)
		}
	}
	return rules
}

func set(names ...string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}

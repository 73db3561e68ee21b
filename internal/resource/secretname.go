package resource

import (
	"strings"
	"unicode/utf8"

	"midas/internal/arm"
)

// IsSecretName reports whether a property of this name is a secret in a resource of any type. The name
// must be folded.
//
// The names come from Microsoft's OpenAPI descriptions of all resource providers: the properties that are
// marked "x-ms-secret" or described as write-only secrets, where the name alone is enough to decide. Most
// end in one of a few words, so those endings are secret too, for providers without a description.
// Punctuation and a number at the end are ignored, because settings often have them
// (aof-storage-connection-string-0, restAuthCredential.password).
func IsSecretName(folded string) bool {
	name := withoutPunctuation(folded)
	if secretNames[name] {
		return true
	}
	if publicNames[name] {
		return false
	}
	name = strings.TrimRight(name, "0123456789")
	for _, end := range secretEndings {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// withoutPunctuation removes the ASCII characters of a folded name that are neither letters nor digits.
func withoutPunctuation(folded string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (r < 'a' || 'z' < r) && (r < '0' || '9' < r) {
			return -1
		}
		return r
	}, folded)
}

// secretEndings are endings of the folded names of secrets.
var secretEndings = [...]string{
	"password", "passwords", "passwd", "pwd", "passphrase", "passwordhash", "secret", "secrets", "token", "sasuri", "sasurl",
	"connectionstring", "connectionstrings", "kubeconfig", "kubeconfigs",
	"accesskey", "accesskeys", "accountkey", "accountkeys", "apikey", "apikeys", "authkey",
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
	"secretconfigurationvalue", "secretdata", "secretdeploymentvalues", "secretparameters", "secretresources", "secrettext", "secretvalue",
	"securevalue", "sslkey", "storageaccountprimarykey", "targetcontainerhostcredentialsbase64", "triggeruri",
	"userstoragekey", "validationkey", "workspacekey",
)

// publicNames are folded names that have an ending of secretEndings but are not secrets.
var publicNames = set(
	"continuationtoken", "nexttoken", "publickeytoken", "skiptoken",
	"syncntlmpasswords", "synckerberospasswords", "synconprempasswords",
)

// typeRules are the paths that are secret in the resources of one type or provider, and in resources nested
// in them. Names that are secret in every type are not repeated.
var typeRules = [...]struct {
	of    arm.Type
	paths string
}{
	{"Microsoft.ApiManagement/service/namedValues", "value"},
	{"Microsoft.ApiManagement/service/properties", "value"},
	{"Microsoft.ApiManagement", "certificates/data hostnameconfigurations/encodedcertificate encodedcertificate"},
	{"Microsoft.ApiManagement/service/certificates", "data"},
	{"Microsoft.App", "certificates/value customdomainconfiguration/certificatevalue"},
	{"Microsoft.App/managedEnvironments/certificates", "value"},
	{"Microsoft.App/connectedEnvironments/certificates", "value"},
	{"Microsoft.Automation/automationAccounts/variables", "value"},
	{"Microsoft.Automation/automationAccounts/certificates", "base64value"},
	{"Microsoft.Automation/automationAccounts/connections", "fielddefinitionvalues"},
	{"Microsoft.Automation/automationAccounts/webhooks", "uri"},
	{"Microsoft.AzureFleet", "additionalunattendcontent/content"},
	{"Microsoft.Batch/batchAccounts/certificates", "data"},
	{"Microsoft.BotService", "sites/key sites/key2 extensionkey1 extensionkey2"},
	{"Microsoft.Compute", "additionalunattendcontent/content userdata"},
	{"Microsoft.ContainerRegistry/registries/webhooks", "serviceuri customheaders"},
	{"Microsoft.HDInsight", "storageaccounts/key configurations/gateway configurations/core-site"},
	{"Microsoft.HealthBot", "keyvaultproperties/value secrets/value"},
	{"Microsoft.HybridNetwork", "customprofile/value"},
	{"Microsoft.KeyVault/vaults/secrets", "value"},
	{"Microsoft.Kusto", "scriptcontent"},
	{"Microsoft.MachineLearningServices", "credentials"},
	{"Microsoft.Media", "configuration/ask fairplaypfx primaryverificationkey/keyvalue alternateverificationkeys/keyvalue"},
	{"Microsoft.CognitiveServices", "credentials"},
	{"Microsoft.Network/applicationGateways", "sslcertificates/properties/data sslcertificates/data"},
	{"Microsoft.NetApp", "serverrootcacertificate"},
	{"Microsoft.NotificationHubs", "apnscertificate wnscertificate mpnscertificate googleapikey"},
	{"Microsoft.ServiceLinker", "authinfo/certificate secretinfo/value"},
	{"Microsoft.SignalRService", "userinfo"},
	{"Microsoft.Web", "appsettings"},
	{"Microsoft.Web/connections", "parametervalues parametervalueset/values"},
	{"Microsoft.Web/sites/functions/keys", "value"},
	{"Microsoft.Web/sites/host", "value"},
	{"Microsoft.Web/sites/slots/functions/keys", "value"},
	{"Microsoft.Web/sites/slots/host", "value"},
}

// rulesOf returns the secret paths of a type.
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

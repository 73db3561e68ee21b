"""A program for Azure: it knows the names of Azure and the credentials that it was given, and
nothing of Midas. It prints what it has seen."""
import json
import os

from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.identity import ClientSecretCredential, UsernamePasswordCredential
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.resource import ResourceManagementClient

env = os.environ
tenant, subscription = env["MIDAS_TENANT_ID"], env["MIDAS_SUBSCRIPTION_ID"]
credential = ClientSecretCredential(tenant, env["MIDAS_CLIENT_ID"], env["MIDAS_CLIENT_SECRET"])
ResourceManagementClient(credential, subscription).resource_groups.create_or_update("rg1", {"location": "eastus"})
identities = ManagedServiceIdentityClient(credential, subscription).user_assigned_identities
seen = {}
created = identities.create_or_update("rg1", "python-app", {"location": "eastus", "tags": {"by": "python"}})
seen["same"] = identities.get("rg1", "python-app").principal_id == created.principal_id

azure_cli = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
person = UsernamePasswordCredential(azure_cli, env["MIDAS_USER_NAME"], env["MIDAS_USER_PASSWORD"], tenant_id=tenant)
of_person = ManagedServiceIdentityClient(person, subscription).user_assigned_identities
seen["names"] = [i.name for i in of_person.list_by_subscription()]
identities.delete("rg1", "python-app")
try:
    identities.get("rg1", "python-app")
except ResourceNotFoundError as e:
    seen["gone"] = e.error.code
try:
    ClientSecretCredential(tenant, env["MIDAS_CLIENT_ID"], "wrong").get_token("https://management.azure.com/.default")
except ClientAuthenticationError as e:
    seen["wrong"] = "AADSTS7000215" in e.message
print(json.dumps(seen))

"""A program for Azure with the retry policies of its libraries. It prints what each call has got."""
import json
import os

from azure.identity import ClientSecretCredential
from azure.mgmt.resource import ResourceManagementClient

env = os.environ
credential = ClientSecretCredential(env["MIDAS_TENANT_ID"], env["MIDAS_CLIENT_ID"], env["MIDAS_CLIENT_SECRET"])
client = ResourceManagementClient(credential, env["MIDAS_SUBSCRIPTION_ID"])
client.resource_groups.create_or_update("rg1", {"location": "eastus"})
print(json.dumps([client.resource_groups.get("rg1").name for _ in range(3)]))

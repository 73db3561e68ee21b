package directory

// publishedPermission is a permission that Microsoft Graph publishes and that no operation of this server
// needs. Applications require such permissions in their registrations and get them in their tokens.
type publishedPermission struct {
	value   string
	role    string // id of the app role; empty if there is none
	scope   string // id of the delegated permission; empty if there is none
	consent string // PermissionForUsers or PermissionForAdmins
	text    string // what a consent page says
}

// publishedPermissions are the common permissions of Microsoft Graph beside those that are enforced, with
// Microsoft's names, ids and consent types. graphRoles and graphPermissions have the others.
func publishedPermissions() []publishedPermission {
	return []publishedPermission{
		{"AccessReview.Read.All", "d07a8cc0-3d51-4b77-b3b0-32704d1f69fa", "ebfcd32b-babb-40f4-a14b-42706e83bd28", PermissionForAdmins, "Read access reviews"},
		{"AccessReview.ReadWrite.All", "ef5f7d5c-338f-44b0-86c3-351f46c8bb5f", "e4aa47b9-9a69-4109-82ed-36ec70d85ff1", PermissionForAdmins, "Read and write access reviews"},
		{"AdministrativeUnit.Read.All", "134fd756-38ce-4afd-ba33-e9623dbe66c2", "3361d15d-be43-4de6-b441-3c746d05163d", PermissionForAdmins, "Read administrative units"},
		{"AdministrativeUnit.ReadWrite.All", "5eb59dd3-1da2-4329-8733-9dabdc435916", "7b8a2d34-6b3f-4542-a343-54651608ad81", PermissionForAdmins, "Read and write administrative units"},
		{"APIConnectors.ReadWrite.All", "1dfe531a-24a6-4f1b-80f4-7a0dc5a0a171", "c67b52c5-7c69-48b6-9d48-7b3af3ded914", PermissionForAdmins, "Read and write API connectors"},
		{"Application-RemoteDesktopConfig.ReadWrite.All", "3be0012a-cc4e-426b-895b-f9c836bf6381", "ffa91d43-2ad8-45cc-b592-09caddeb24bb", PermissionForAdmins, "Read and write the remote desktop configuration of applications"},
		{"AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da", "", "", "Read audit log data"},
		{"Calendars.Read", "798ee544-9d2d-430c-a058-570e29e34338", "465a38f9-76ea-45b9-9f34-9e8b0d4b0b42", PermissionForUsers, "Read calendars"},
		{"Calendars.Read.Shared", "", "2b9c4092-424d-4249-948d-b43879977640", PermissionForUsers, "Read calendars that you can access"},
		{"Calendars.ReadBasic", "", "662d75ba-a364-42ad-adee-f5f880ea4878", PermissionForUsers, "Read basic details of your calendars"},
		{"Calendars.ReadBasic.All", "8ba4a692-bc31-4128-9094-475872af8a53", "", "", "Read basic details of calendars"},
		{"Calendars.ReadWrite", "ef54d2bf-783f-4e0f-bca1-3210c0444d99", "1ec239c2-d7c9-4623-a91a-a9775856bb36", PermissionForUsers, "Read and write calendars"},
		{"Calendars.ReadWrite.Shared", "", "12466101-c9b8-439a-8589-dd09ee67e8e9", PermissionForUsers, "Read and write calendars that you can access"},
		{"Channel.ReadBasic.All", "59a6b24b-4225-4393-8165-ebaec5f55d7a", "9d8982ae-4365-4f57-95e9-d6032a4c0b87", PermissionForUsers, "Read names and descriptions of channels"},
		{"ChannelMessage.Read.All", "7b2449af-6ccd-4f4d-9f78-e550c193f0d1", "767156cb-16ae-4d10-8f8b-41b657c8c8c8", PermissionForAdmins, "Read messages in channels"},
		{"ChannelMessage.Send", "", "ebf0f66e-9fb1-49e4-a278-222f76911cf4", PermissionForUsers, "Send messages in channels"},
		{"Chat.Create", "d9c48af6-9ad9-47ad-82c3-63757137b9af", "38826093-1258-4dea-98f0-00003be2b8d0", PermissionForUsers, "Create chats"},
		{"Chat.Read", "", "f501c180-9344-439a-bca0-6cbf209fd270", PermissionForUsers, "Read your chat messages"},
		{"Chat.Read.All", "6b7d71aa-70aa-4810-a8d9-5d9fb2830017", "", "", "Read chat messages"},
		{"Chat.ReadBasic", "", "9547fcb5-d03f-419d-9948-5928bbf71b0f", PermissionForUsers, "Read names and members of your chats"},
		{"Chat.ReadWrite", "", "9ff7295e-131b-4d94-90e1-69fde507ac11", PermissionForUsers, "Read and write your chat messages"},
		{"Chat.ReadWrite.All", "294ce7c9-31ba-490a-ad7d-97a7d075e4ed", "", "", "Read and write chat messages"},
		{"ChatMessage.Read.All", "b9bb2381-47a4-46cd-aafb-00cb12f68504", "", "", "Read chat messages"},
		{"ChatMessage.Send", "", "116b7235-7cc6-461e-b163-8e55691d839e", PermissionForUsers, "Send chat messages"},
		{"Contacts.Read", "089fe4d0-434a-44c5-8827-41ba8a0b17f5", "ff74d97f-43af-4b68-9f2a-b77ee6968c5d", PermissionForUsers, "Read contacts"},
		{"Contacts.Read.Shared", "", "242b9d9e-ed24-4d09-9a52-f43769beb9d4", PermissionForUsers, "Read contacts that you can access"},
		{"Contacts.ReadWrite", "6918b873-d17a-4dc1-b314-35f528134491", "d56682ec-c09e-4743-aaf4-1a3aac4caa21", PermissionForUsers, "Read and write contacts"},
		{"Contacts.ReadWrite.Shared", "", "afb6c84b-06be-49af-80bb-8f3f77004eab", PermissionForUsers, "Read and write contacts that you can access"},
		{"CrossTenantInformation.ReadBasic.All", "cac88765-0581-4025-9725-5ebc13f729ee", "81594d25-e88e-49cf-ac8c-fecbff49f994", PermissionForUsers, "Read basic information about other tenants"},
		{"DelegatedPermissionGrant.Read.All", "81b4724a-58aa-41c1-8a55-84ef97466587", "a197cdc4-a8e8-4d49-9d35-4ca7c83887b4", PermissionForAdmins, "Read delegated permission grants"},
		{"Device.Command", "", "bac3b9c2-b516-4ef4-bd3b-c2ef73d8d804", PermissionForUsers, "Send commands to your devices"},
		{"Device.Read", "", "11d4cd79-5ba5-460f-803f-e22c8ab85ccd", PermissionForUsers, "Read your devices"},
		{"Device.Read.All", "7438b122-aefc-4978-80ed-43db9fcc7715", "951183d1-1a61-466f-a6d1-1fde911bfd95", PermissionForAdmins, "Read all devices"},
		{"Device.ReadWrite.All", "1138cb37-bd11-4084-a2b7-9f71582aeddb", "", "", "Read and write devices"},
		{"DeviceManagementApps.Read.All", "7a6ee1e7-141e-4cec-ae74-d9db155731ff", "4edf5f54-4666-44af-9de9-0144fb4b6e8c", PermissionForAdmins, "Read the applications of managed devices"},
		{"DeviceManagementApps.ReadWrite.All", "78145de6-330d-4800-a6ce-494ff2d33d07", "7b3f05d5-f68c-4b8d-8c59-a2ecd12f24af", PermissionForAdmins, "Read and write the applications of managed devices"},
		{"DeviceManagementConfiguration.Read.All", "dc377aa6-52d8-4e23-b271-2a7ae04cedf3", "f1493658-876a-4c87-8fa7-edb559b3476a", PermissionForAdmins, "Read the configuration of managed devices"},
		{"DeviceManagementConfiguration.ReadWrite.All", "9241abd9-d0e6-425a-bd4f-47ba86e767a4", "0883f392-0a7a-443d-8c76-16a6d39c7b63", PermissionForAdmins, "Read and write the configuration of managed devices"},
		{"DeviceManagementManagedDevices.PrivilegedOperations.All", "5b07b0dd-2377-4e44-a38d-703f09a0dc3c", "3404d2bf-2b13-457e-a330-c24615765193", PermissionForAdmins, "Perform remote actions on managed devices"},
		{"DeviceManagementManagedDevices.Read.All", "2f51be20-0bb4-4fed-bf7b-db946066c75e", "314874da-47d6-4978-88dc-cf0d37f0bb82", PermissionForAdmins, "Read managed devices"},
		{"DeviceManagementManagedDevices.ReadWrite.All", "243333ab-4d21-40cb-a475-36241daa0842", "44642bfe-8385-4adc-8fc6-fe3cb2c375c3", PermissionForAdmins, "Read and write managed devices"},
		{"DeviceManagementRBAC.Read.All", "58ca0d9a-1575-47e1-a3cb-007ef2e4583b", "49f0cc30-024c-4dfd-ab3e-82e137ee5431", PermissionForAdmins, "Read the roles of device management"},
		{"DeviceManagementRBAC.ReadWrite.All", "e330c4f0-4170-414e-a55a-2f022ec2b57b", "0c5e8a55-87a6-4556-93ab-adc52c4d862d", PermissionForAdmins, "Read and write the roles of device management"},
		{"DeviceManagementServiceConfig.Read.All", "06a5fe6d-c49d-46a7-b082-56b1b14103c7", "8696daa5-bce5-4b2e-83f9-51b6defc4e1e", PermissionForAdmins, "Read the configuration of device management"},
		{"DeviceManagementServiceConfig.ReadWrite.All", "5ac13192-7ace-4fcf-b828-1a26f28068ee", "662ed50a-ac44-4eef-ad86-62eed9be2a29", PermissionForAdmins, "Read and write the configuration of device management"},
		{"Directory.Write.Restricted", "f20584af-9290-4153-9280-ff8bb2c0ea7f", "cba5390f-ed6a-4b7f-b657-0efc2210ed20", PermissionForAdmins, "Manage restricted objects in the directory"},
		{"Domain.Read.All", "dbb9058a-0e50-45d7-ae91-66909b5d4664", "", "", "Read domains"},
		{"Domain.ReadWrite.All", "7e05723c-0bb0-42da-be95-ae9f08a6e53c", "0b5d694c-a244-4bde-86e6-eb5cd07730fe", PermissionForAdmins, "Read and write domains"},
		{"EntitlementManagement.Read.All", "c74fd47d-ed3c-45c3-9a9e-b8676de685d2", "5449aa12-1393-4ea2-a7c7-d0e06c1a56b2", PermissionForAdmins, "Read entitlement management"},
		{"EntitlementManagement.ReadWrite.All", "9acd699f-1e81-4958-b001-93b1d2506e19", "ae7a573d-81d7-432b-ad44-4ed5c9d89038", PermissionForAdmins, "Read and write entitlement management"},
		{"EWS.AccessAsUser.All", "", "9769c687-087d-48ac-9cb3-c37dde652038", PermissionForUsers, "Access mailboxes by Exchange Web Services"},
		{"Files.Read", "", "10465720-29dd-4523-a11a-6a75c743c9d9", PermissionForUsers, "Read your files"},
		{"Files.Read.All", "01d4889c-1287-42c6-ac1f-5d1e02578ef6", "df85f4d6-205c-4ac5-a5ea-6bf408dba283", PermissionForUsers, "Read files"},
		{"Files.Read.Selected", "", "5447fe39-cb82-4c1a-b977-520e67e724eb", PermissionForUsers, "Read files that you select"},
		{"Files.ReadWrite", "", "5c28f0bf-8a70-41f1-8ab2-9032436ddb65", PermissionForUsers, "Read and write your files"},
		{"Files.ReadWrite.All", "75359482-378d-4052-8f01-80520e7db3cd", "863451e7-0667-486c-a5d6-d135439485f0", PermissionForUsers, "Read and write files"},
		{"Files.ReadWrite.AppFolder", "", "8019c312-3263-48e6-825e-2b833497195b", PermissionForUsers, "Read and write files in the application's folder"},
		{"Files.ReadWrite.Selected", "", "17dde5bd-8c17-420f-a486-969730c1b827", PermissionForUsers, "Read and write files that you select"},
		{"Group.Create", "bf7b1a76-6e77-406b-b258-bf5c7720e98f", "", "", "Create groups"},
		{"GroupMember.ReadWrite.All", "dbaae8cf-10b5-4b86-a4a1-f871c94c6695", "f81125ac-d3b7-4573-a3b2-7099cc39df9e", PermissionForAdmins, "Read and write group memberships"},
		{"IdentityProvider.Read.All", "e321f0bb-e7f7-481e-bb28-e3b0b32d4bd0", "43781733-b5a7-4d1b-98f4-e8edff23e1a9", PermissionForAdmins, "Read identity providers"},
		{"IdentityProvider.ReadWrite.All", "90db2b9a-d928-4d33-a4dd-8442ae3d41e4", "f13ce604-1677-429f-90bd-8a10b9f01325", PermissionForAdmins, "Read and write identity providers"},
		{"IdentityRiskEvent.Read.All", "6e472fd1-ad78-48da-a0f0-97ab2c6b769e", "8f6a01e7-0391-4ee5-aa22-a3af122cef27", PermissionForAdmins, "Read risk events"},
		{"IdentityRiskyServicePrincipal.Read.All", "607c7344-0eed-41e5-823a-9695ebe1b7b0", "ea5c4ab0-5a73-4f35-8272-5d5337884e5d", PermissionForAdmins, "Read risky service principals"},
		{"IdentityRiskyServicePrincipal.ReadWrite.All", "cb8d6980-6bcb-4507-afec-ed6de3a2d798", "bb6f654c-d7fd-4ae3-85c3-fc380934f515", PermissionForAdmins, "Read and write risky service principals"},
		{"IdentityRiskyUser.Read.All", "dc5007c0-2d7d-4c42-879c-2dab87571379", "d04bb851-cb7c-4146-97c7-ca3e71baf56c", PermissionForAdmins, "Read risky users"},
		{"IdentityRiskyUser.ReadWrite.All", "656f6061-f9fe-4807-9708-6a2e0934df76", "e0a7cdbb-08b0-4697-8264-0069786e9674", PermissionForAdmins, "Read and write risky users"},
		{"IMAP.AccessAsUser.All", "", "652390e4-393a-48de-9484-05f9b1212954", PermissionForUsers, "Access mailboxes by IMAP"},
		{"Mail.Read", "810c84a8-4a9e-49e6-bf7d-12d183f40d01", "570282fd-fa5c-430d-a7fd-fc8dc98a9dca", PermissionForUsers, "Read mail"},
		{"Mail.Read.Shared", "", "7b9103a5-4610-446b-9670-80643382c1fa", PermissionForUsers, "Read mail that you can access"},
		{"Mail.ReadBasic", "6be147d2-ea4f-4b5a-a3fa-3eab6f3c140a", "a4b8392a-d8d1-4954-a029-8e668a39a170", PermissionForUsers, "Read basic details of your mail"},
		{"Mail.ReadBasic.All", "693c5e45-0940-467d-9b8a-1022fb9d42ef", "", "", "Read basic details of mail"},
		{"Mail.ReadBasic.Shared", "", "b11fa0e7-fdb7-4dc9-b1f1-59facd463480", PermissionForUsers, "Read basic details of mail that you can access"},
		{"Mail.ReadWrite", "e2a3a72e-5f79-4c64-b1b1-878b674786c9", "024d486e-b451-40bb-833d-3e66d98c5c73", PermissionForUsers, "Read and write mail"},
		{"Mail.ReadWrite.Shared", "", "5df07973-7d5d-46ed-9847-1271055cbd51", PermissionForUsers, "Read and write mail that you can access"},
		{"Mail.Send", "b633e1c5-b582-4048-a93e-9f11b44c7e96", "e383f46e-2787-4529-855e-0e479a3ffac0", PermissionForUsers, "Send mail"},
		{"Mail.Send.Shared", "", "a367ab51-6b49-43bf-a716-a1fb06d2a174", PermissionForUsers, "Send mail for others"},
		{"MailboxSettings.Read", "40f97065-369a-49f4-947c-6a255697ae91", "87f447af-9fa4-4c32-9dfa-4a57a73d18ce", PermissionForUsers, "Read mailbox settings"},
		{"MailboxSettings.ReadWrite", "6931bccd-447a-43d1-b442-00a195474933", "818c620a-27a9-40bd-a6a5-d96f7d610b4b", PermissionForUsers, "Read and write mailbox settings"},
		{"Member.Read.Hidden", "658aa5d8-239f-45c4-aa12-864f4fc7e490", "f6a3db3e-f7e8-4ed2-a414-557c8c9830be", PermissionForAdmins, "Read hidden memberships"},
		{"Notes.Create", "", "9d822255-d64d-4b7a-afdb-833b9a97ed02", PermissionForUsers, "Create notebooks"},
		{"Notes.Read", "", "371361e4-b9e2-4a3f-8315-2a301a3b0a3d", PermissionForUsers, "Read your notebooks"},
		{"Notes.Read.All", "3aeca27b-ee3a-4c2b-8ded-80376e2134a4", "dfabfca6-ee36-4db2-8208-7a28381419b3", PermissionForUsers, "Read notebooks"},
		{"Notes.ReadWrite", "", "615e26af-c38a-4150-ae3e-c3b0d4cb1d6a", PermissionForUsers, "Read and write your notebooks"},
		{"Notes.ReadWrite.All", "0c458cef-11f3-48c2-a568-c66751c238c0", "64ac0503-b4fa-45d9-b544-71a463f05da0", PermissionForUsers, "Read and write notebooks"},
		{"OnlineMeetings.Read", "", "9be106e1-f4e3-4df5-bdff-e4bc531cbe43", PermissionForUsers, "Read your online meetings"},
		{"OnlineMeetings.Read.All", "c1684f21-1984-47fa-9d61-2dc8c296bb70", "", "", "Read online meetings"},
		{"OnlineMeetings.ReadWrite", "", "a65f2972-a4f8-4f5e-afd7-69ccb046d5dc", PermissionForUsers, "Read and create your online meetings"},
		{"OnlineMeetings.ReadWrite.All", "b8bb2037-6e08-44ac-a4ea-4674e010e2a4", "", "", "Read and create online meetings"},
		{"Organization.Read.All", "498476ce-e0fe-48b0-b801-37ba7e2685c6", "", "", "Read organization information"},
		{"Organization.ReadWrite.All", "292d869f-3427-49a8-9dab-8c70152b74e9", "46ca0847-7e6b-426e-9775-ea810a948356", PermissionForAdmins, "Read and write organization information"},
		{"OrgContact.Read.All", "e1a88a34-94c4-4418-be12-c87b00e26bea", "08432d1b-5911-483c-86df-7980af5cdee0", PermissionForAdmins, "Read organizational contacts"},
		{"People.Read", "", "ba47897c-39ec-4d83-8086-ee8256fa737d", PermissionForUsers, "Read people who are relevant to you"},
		{"People.Read.All", "b528084d-ad10-4598-8b93-929746b4d7d6", "b89f9189-71a5-4e70-b041-9887f0bc7e4a", PermissionForAdmins, "Read people who are relevant to users"},
		{"PeopleSettings.Read.All", "ef02f2e7-e22d-4c77-8614-8f765683b86e", "ec762c5f-388b-4b16-8693-ac1efbc611bc", PermissionForAdmins, "Read people settings"},
		{"PeopleSettings.ReadWrite.All", "b6890674-9dd5-4e42-bb15-5af07f541ae1", "e67e6727-c080-415e-b521-e3f35d5248e9", PermissionForAdmins, "Read and write people settings"},
		{"Place.Read.All", "913b9306-0ce1-42b8-9137-6a7df690a760", "cb8f45a0-5c2e-4ea1-b803-84b870a7d7ec", PermissionForAdmins, "Read places"},
		{"Policy.Read.All", "246dd0d5-5bd0-4def-940b-0421030a5b68", "572fea84-0151-49b2-9301-11cb16974376", PermissionForAdmins, "Read policies"},
		{"Policy.Read.ConditionalAccess", "37730810-e9ba-4e46-b07e-8ca78d182097", "633e0fce-8c58-4cfb-9495-12bbd5a24f7c", PermissionForAdmins, "Read conditional access policies"},
		{"Policy.Read.PermissionGrant", "9e640839-a198-48fb-8b9a-013fd6f6cbcd", "414de6ea-2d92-462f-b120-6e2a809a6d01", PermissionForAdmins, "Read consent policies"},
		{"Policy.ReadWrite.ApplicationConfiguration", "be74164b-cff1-491c-8741-e671cb536e13", "b27add92-efb2-4f16-84f5-8108ba77985c", PermissionForAdmins, "Read and write application configuration policies"},
		{"Policy.ReadWrite.AuthenticationMethod", "29c18626-4985-4dcd-85c0-193eef327366", "7e823077-d88e-468f-a337-e18f1f0e6c7c", PermissionForAdmins, "Read and write authentication method policies"},
		{"Policy.ReadWrite.Authorization", "fb221be6-99f2-473f-bd32-01c6a0e9ca3b", "edd3c878-b384-41fd-95ad-e7407dd775be", PermissionForAdmins, "Read and write the authorization policy"},
		{"Policy.ReadWrite.ConditionalAccess", "01c0a623-fc9b-48e9-b794-0756f8e8f067", "ad902697-1014-4ef5-81ef-2b4301988e8c", PermissionForAdmins, "Read and write conditional access policies"},
		{"Policy.ReadWrite.PermissionGrant", "a402ca1c-2696-4531-972d-6e5ee4aa11ea", "2672f8bb-fd5e-42e0-85e1-ec764dd2614e", PermissionForAdmins, "Read and write consent policies"},
		{"Presence.Read", "", "76bc735e-aecd-4a1d-8b4c-2b915deabb79", PermissionForUsers, "Read your presence"},
		{"Presence.Read.All", "", "9c7a330d-35b3-4aa1-963d-cb2b9f927841", PermissionForUsers, "Read the presence of users"},
		{"Presence.ReadWrite", "", "8d3c54a7-cf58-4773-bf81-c0cd6ad522bb", PermissionForUsers, "Read and write your presence"},
		{"PrivilegedAccess.Read.AzureAD", "4cdc2547-9148-4295-8d11-be0db1391d6b", "b3a539c9-59cb-4ad5-825a-041ddbdc2bdb", PermissionForAdmins, "Read privileged access to the directory"},
		{"PrivilegedAccess.ReadWrite.AzureAD", "854d9ab1-6657-4ec8-be45-823027bcd009", "3c3c74f5-cdaa-4a97-b7e0-4e788bfcfb37", PermissionForAdmins, "Read and write privileged access to the directory"},
		{"Reports.Read.All", "230c1aed-a721-4c5d-9cb4-a90514e508ef", "02e97553-ed7b-43d0-ab3c-f8bace0d040c", PermissionForAdmins, "Read usage reports"},
		{"RoleAssignmentSchedule.Read.Directory", "", "344a729c-0285-42c6-9014-f12b9b8d6129", PermissionForAdmins, "Read active role assignments"},
		{"RoleAssignmentSchedule.ReadWrite.Directory", "dd199f4a-f148-40a4-a2ec-f0069cc799ec", "8c026be3-8e26-4774-9372-8d5d6f21daff", PermissionForAdmins, "Read and write active role assignments"},
		{"RoleEligibilitySchedule.Read.Directory", "", "eb0788c2-6d4e-4658-8c9e-c0fb8053f03d", PermissionForAdmins, "Read eligible role assignments"},
		{"RoleEligibilitySchedule.ReadWrite.Directory", "fee28b28-e1f3-4841-818e-2704dc62245f", "62ade113-f8e0-4bf9-a6ba-5acb31db32fd", PermissionForAdmins, "Read and write eligible role assignments"},
		{"RoleManagement.Read.All", "c7fbd983-d9aa-4fa7-84b8-17382c103bc4", "48fec646-b2ba-4019-8681-8eb31435aded", PermissionForAdmins, "Read roles and their assignments"},
		{"RoleManagement.Read.Directory", "483bed4a-2ad3-4361-a73b-c83ccdbdc53c", "", "", "Read directory roles"},
		{"RoleManagementPolicy.Read.Directory", "", "3de2cdbe-0ff5-47d5-bdee-7f45b4749ead", PermissionForAdmins, "Read the policies of role assignments"},
		{"RoleManagementPolicy.ReadWrite.Directory", "", "1ff1be21-34eb-448c-9ac9-ce1f506b2a68", PermissionForAdmins, "Read and write the policies of role assignments"},
		{"SecurityAlert.Read.All", "472e4a4d-bb4a-4026-98d1-0b0d74cb74a5", "bc257fb8-46b4-4b15-8713-01e91bfbe4ea", PermissionForAdmins, "Read security alerts"},
		{"SecurityAlert.ReadWrite.All", "ed4fca05-be46-441f-9803-1873825f8fdb", "471f2a7f-2a42-4d45-a2bf-594d0838070d", PermissionForAdmins, "Read and write security alerts"},
		{"SecurityEvents.Read.All", "bf394140-e372-4bf9-a898-299cfc7564e5", "64733abd-851e-478a-bffb-e47a14b18235", PermissionForAdmins, "Read security events"},
		{"SecurityEvents.ReadWrite.All", "d903a879-88e0-4c09-b0c9-82f6a1333f84", "6aedf524-7e1c-45a7-bd76-ded8cab8d0fc", PermissionForAdmins, "Read and update security events"},
		{"SecurityIncident.Read.All", "45cc0394-e837-488b-a098-1918f48d186c", "b9abcc4f-94fc-4457-9141-d20ce80ec952", PermissionForAdmins, "Read security incidents"},
		{"SecurityIncident.ReadWrite.All", "34bf0e97-1971-4929-b999-9e2442d941d7", "128ca929-1a19-45e6-a3b8-435ec44a36ba", PermissionForAdmins, "Read and write security incidents"},
		{"ServiceHealth.Read.All", "79c261e0-fe76-4144-aad5-bdc68fbe4037", "55896846-df78-47a7-aa94-8d3d4442ca7f", PermissionForAdmins, "Read service health"},
		{"ServiceMessage.Read.All", "1b620472-6534-4fe6-9df2-4680e8aa28ec", "eda39fa6-f8cf-4c3c-a909-432c683e4c9b", PermissionForAdmins, "Read service announcements"},
		{"Sites.FullControl.All", "a82116e5-55eb-4c41-a434-62fe8a61c773", "5a54b8b3-347c-476d-8f8e-42d5c7424d29", PermissionForAdmins, "Full control of sites"},
		{"Sites.Manage.All", "0c0bf378-bf22-4481-8f81-9e89a9b4960a", "65e50fdc-43b7-4915-933e-e8138f11f40a", PermissionForUsers, "Create, edit and delete items and lists in sites"},
		{"Sites.Read.All", "332a536c-c7ef-4017-ab91-336970924f0d", "205e70e5-aba6-4c52-a976-6d2d46c48043", PermissionForUsers, "Read items in sites"},
		{"Sites.ReadWrite.All", "9492366f-7969-46a4-8d15-ed1a20078fff", "89fe6a52-be36-487e-b7d8-d061c450a026", PermissionForUsers, "Edit and delete items in sites"},
		{"Sites.Selected", "883ea226-0bf2-4a8f-9f9d-92c9162a727d", "f89c84ef-20d0-4b54-87e9-02e856d66d53", PermissionForUsers, "Access selected sites"},
		{"SMTP.Send", "", "258f6531-6087-4cc4-bb90-092c5fb3ed3f", PermissionForUsers, "Send mail by SMTP"},
		{"Synchronization.Read.All", "5ba43d2f-fa88-4db2-bd1c-a67c5f0fb1ce", "7aa02aeb-824f-4fbe-a3f7-611f751f5b55", PermissionForAdmins, "Read synchronization data"},
		{"Synchronization.ReadWrite.All", "9b50c33d-700f-43b1-b2eb-87e89b703581", "7bb27fa3-ea8f-4d67-a916-87715b6188bd", PermissionForAdmins, "Read and write synchronization data"},
		{"Tasks.Read", "", "f45671fb-e0fe-4b4b-be20-3d3ce43f1bcb", PermissionForUsers, "Read your tasks"},
		{"Tasks.Read.All", "f10e1f91-74ed-437f-a6fd-d6ae88e26c1f", "", "", "Read tasks"},
		{"Tasks.Read.Shared", "", "88d21fd4-8e5a-4c32-b5e2-4a1c95f34f72", PermissionForUsers, "Read tasks that you can access"},
		{"Tasks.ReadWrite", "", "2219042f-cab5-40cc-b0d2-16b1540b4c5f", PermissionForUsers, "Read and write your tasks"},
		{"Tasks.ReadWrite.All", "44e666d1-d276-445b-a5fc-8815eeb81d55", "", "", "Read and write tasks"},
		{"Tasks.ReadWrite.Shared", "", "c5ddf11b-c114-4886-8558-8a4e557cd52b", PermissionForUsers, "Read and write tasks that you can access"},
		{"Team.Create", "23fc2474-f741-46ce-8465-674744c5c361", "7825d5d6-6049-4ce7-bdf6-3b8d53f4bcd0", PermissionForUsers, "Create teams"},
		{"Team.ReadBasic.All", "2280dda6-0bfd-44ee-a2f4-cb867cfc4c1e", "485be79e-c497-4b35-9400-0e3fa7f2a5d4", PermissionForUsers, "Read names and descriptions of teams"},
		{"TeamMember.Read.All", "660b7406-55f1-41ca-a0ed-0b035e182f3e", "2497278c-d82d-46a2-b1ce-39d4cdde5570", PermissionForAdmins, "Read the members of teams"},
		{"TeamMember.ReadWrite.All", "0121dc95-1b9f-4aed-8bac-58c5ac466691", "4a06efd2-f825-4e34-813e-82a57b03d1ee", PermissionForAdmins, "Read and write the members of teams"},
		{"TeamsActivity.Read", "", "0e755559-83fb-4b44-91d0-4cc721b9323e", PermissionForUsers, "Read your Teams activity"},
		{"TeamsActivity.Send", "a267235f-af13-44dc-8385-c1dc93023186", "7ab1d787-bae7-4d5d-8db6-37ea32df9186", PermissionForUsers, "Send Teams activities"},
		{"TeamSettings.Read.All", "242607bd-1d2c-432c-82eb-bdb27baa23ab", "48638b3c-ad68-4383-8ac4-e6880ee6ca57", PermissionForAdmins, "Read the settings of teams"},
		{"ThreatHunting.Read.All", "dd98c7f5-2d42-42d3-a0e4-633161547251", "b152eca8-ea73-4a48-8c98-1a6742673d99", PermissionForAdmins, "Run hunting queries"},
		{"User.EnableDisableAccount.All", "3011c876-62b7-4ada-afa2-506cbbecc68c", "f92e74e7-2563-467f-9dd0-902688cb5863", PermissionForAdmins, "Enable and disable accounts of users"},
		{"User.Export.All", "", "405a51b5-8d8d-430b-9842-8be4b0e9f324", PermissionForAdmins, "Export the data of users"},
		{"User.Invite.All", "09850681-111b-4a89-9bed-3f2cae46d706", "63dd7cd9-b489-4adf-a28c-ac38b9a0f962", PermissionForAdmins, "Invite guests"},
		{"User.ManageIdentities.All", "c529cfca-c91b-489c-af2b-d92990b66ce6", "637d7bec-b31e-4deb-acc9-24275642a2c9", PermissionForAdmins, "Manage the identities of users"},
		{"User.ReadBasic.All", "97235f07-e226-4f63-ace3-39588e11d3a1", "", "", "Read basic profiles of users"},
		{"UserActivity.ReadWrite.CreatedByApp", "", "47607519-5fb1-47d9-99c7-da4b48f369b1", PermissionForUsers, "Read and write activities that the application has created"},
		{"UserAuthenticationMethod.Read", "", "1f6b61c5-2f65-4135-9c9f-31c0f8d32b52", PermissionForAdmins, "Read your authentication methods"},
		{"UserAuthenticationMethod.Read.All", "38d9df27-64da-44fd-b7c5-a6fbac20248f", "aec28ec7-4d02-4e8c-b864-50163aea77eb", PermissionForAdmins, "Read authentication methods of users"},
		{"UserAuthenticationMethod.ReadWrite.All", "50483e42-d915-4231-9639-7fdb7fd190e5", "b7887744-6746-4312-813d-72daeaee7e2d", PermissionForAdmins, "Read and write authentication methods of users"},
	}
}

// publishedGraphRoles are all app roles of Microsoft Graph: those that are enforced and the others.
func publishedGraphRoles() []AppRole {
	roles, members := graphRoles(), []string{"Application"}
	for _, p := range publishedPermissions() {
		if p.role != "" {
			roles = append(roles, AppRole{ID: p.role, Value: p.value, DisplayName: p.text, Description: p.text, AllowedMemberTypes: members, Enabled: true})
		}
	}
	return roles
}

// publishedGraphPermissions are all delegated permissions of Microsoft Graph.
func publishedGraphPermissions() []Permission {
	all := graphPermissions()
	for _, p := range publishedPermissions() {
		if p.scope != "" {
			all = append(all, Permission{ID: p.scope, Value: p.value, Type: p.consent, UserName: p.text})
		}
	}
	return withTexts(all)
}

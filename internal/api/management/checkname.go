package management

import (
	"context"
	"slices"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
)

// reservedNames are words that cannot be the whole name of a resource with an endpoint. Source: Microsoft's
// page on the error ReservedResourceName.
func reservedNames() []string {
	return []string{
		"ACCESS", "APP_BROWSERS", "APP_CODE", "APP_DATA", "APP_GLOBALRESOURCES", "APP_LOCALRESOURCES", "APP_THEMES", "APP_WEBREFERENCES",
		"AZURE", "BING", "BIZSPARK", "BIZTALK", "CORTANA", "DIRECTX", "DOTNET", "DYNAMICS", "EXCEL", "EXCHANGE", "FOREFRONT", "GROOVE",
		"HOLOLENS", "HYPERV", "KINECT", "LYNC", "MSDN", "O365", "OFFICE", "OFFICE365", "ONEDRIVE", "ONENOTE", "OUTLOOK", "POWERPOINT",
		"SHAREPOINT", "SKYPE", "VISIO", "VISUALSTUDIO", "WEB.CONFIG", "XBOX",
	}
}

// isReserved reports whether a name is a reserved word, contains one that must not be a part of a name, or begins
// with one that must not be its beginning.
func isReserved(name string) bool {
	folded := arm.Fold(name)
	for _, part := range []string{"microsoft", "windows"} {
		if strings.Contains(folded, part) {
			return true
		}
	}
	if strings.HasPrefix(folded, "login") || strings.HasPrefix(folded, "xbox") {
		return true
	}
	return slices.ContainsFunc(reservedNames(), func(word string) bool { return arm.SameName(word, name) })
}

// checkResourceName says whether a resource of any type may have a name. It checks only reserved words.
func (h *Handler) checkResourceName(_ context.Context, r *Request) (*Response, error) {
	var body wire.ResourceName
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	for field, value := range map[string]string{"name": body.Name, "type": body.Type} {
		if value == "" {
			return nil, arm.ErrInvalidContent("Required property '%s' not found in JSON. Path ''", field)
		}
	}
	if err := arm.CheckType(body.Type); err != nil {
		return nil, arm.ErrInvalidContent("The type '%s' %v. Path 'type'", body.Type, err)
	}
	body.Status = "Allowed"
	if isReserved(body.Name) {
		body.Status = "Reserved"
	}
	return ok(body)
}

package wire

import (
	"time"

	"midas/internal/arm"
)

// SystemData says who has created and changed a resource, and when. Source: common-types of Microsoft's OpenAPI files.
type SystemData struct {
	CreatedBy          string `json:"createdBy"`
	CreatedByType      string `json:"createdByType"`
	CreatedAt          string `json:"createdAt"`
	LastModifiedBy     string `json:"lastModifiedBy"`
	LastModifiedByType string `json:"lastModifiedByType"`
	LastModifiedAt     string `json:"lastModifiedAt"`
}

// modification is who has written a resource, and when.
type modification struct {
	by string // the name of a user, or the client id of an application
	at time.Time
}

func encodeSystemData(created, changed modification) *SystemData {
	return &SystemData{
		CreatedBy: created.by, CreatedByType: typeOfName(created.by), CreatedAt: arm.Time(created.at),
		LastModifiedBy: changed.by, LastModifiedByType: typeOfName(changed.by), LastModifiedAt: arm.Time(changed.at),
	}
}

// typeOfName returns the type of a caller: client ids of applications are GUIDs, names of users are not.
func typeOfName(name string) string {
	if arm.IsGUID(name) {
		return "Application"
	}
	return "User"
}

package model

// HostDetail is a host with what only its site holds. It is the answer to the question "host.detail",
// which a controller asks down the link.
type HostDetail struct {
	Host         Host          `json:"host"`
	At           Time          `json:"at"` // when the site answered
	Packages     []Package     `json:"packages"`
	Certificates []Certificate `json:"certificates"`
	Findings     []Finding     `json:"findings"`
}

// RouteHostDetail is the route of the question for a HostDetail; its one parameter ParamHost is the
// host's id.
const (
	RouteHostDetail = "host.detail"
	ParamHost       = "host"
)

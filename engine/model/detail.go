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

// The routes of what an upper tier asks of the one below it, with their parameters.
const (
	// RouteHostDetail asks for a HostDetail; ParamHost is the host's id.
	RouteHostDetail = "host.detail"
	ParamHost       = "host"
	// RouteEndpoints tells under which addresses the upper tier is to be found from now on: ParamEndpoints is
	// HOST:PORT of each of its nodes, with a space between. The answer is null once that is kept.
	RouteEndpoints = "endpoints"
	ParamEndpoints = "endpoints"
)

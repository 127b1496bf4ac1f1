package schema

import "time"

// AlertRule says when an alert opens and when it resolves by itself.
type AlertRule struct {
	Name     string    `json:"name" doc:"at a site, rules of its controller have controller: in front"`
	Title    string    `json:"title,omitempty" doc:"one line for people"`
	Scope    string    `json:"scope" enum:"host,site" doc:"host: each host that the search finds; site: the site itself"`
	When     string    `json:"when" doc:"scope host: a search; scope site: a comparison of one of the metrics" example:"disk.free_percent < 10"`
	Severity string    `json:"severity" enum:"info,warning,critical"`
	For      string    `json:"for" doc:"how long it must hold before the alert opens" example:"15m0s"`
	Clear    string    `json:"clear" doc:"how long it must not hold before the alert resolves by itself"`
	Disabled bool      `json:"disabled,omitempty"`
	Origin   string    `json:"origin" enum:"site,controller" doc:"where it was made; it is changed there only"`
	By       string    `json:"by"`
	At       time.Time `json:"at" doc:"when it was changed last"`
	Problem  string    `json:"problem,omitempty" doc:"why this server cannot judge it, as when a newer version wrote it"`
}

// AlertRulePut makes a rule, or replaces the one that has the name.
type AlertRulePut struct {
	Title    string `json:"title,omitempty" maxLength:"256"`
	Scope    string `json:"scope" enum:"host,site"`
	When     string `json:"when" minLength:"1" maxLength:"4096" doc:"scope host: a search; scope site: a comparison of one of the metrics" example:"status:down tag:prod"`
	Severity string `json:"severity" enum:"info,warning,critical"`
	For      string `json:"for,omitempty" doc:"how long it must hold before the alert opens; at once if absent" example:"15m"`
	Clear    string `json:"clear,omitempty" doc:"how long it must not hold before the alert resolves by itself; at once if absent" example:"1m"`
	Disabled bool   `json:"disabled,omitempty"`
}

// AlertMetric is a number that a site knows of itself.
type AlertMetric struct {
	Name    string `json:"name" example:"disk.free_percent"`
	Doc     string `json:"doc"`
	Example string `json:"example" doc:"a condition that reads"`
}

// Alert is one time that a rule held for one object.
type Alert struct {
	ID         string     `json:"id"`
	Rule       string     `json:"rule"`
	Title      string     `json:"title,omitempty" doc:"of the rule when it opened"`
	Scope      string     `json:"scope" enum:"host,site"`
	Severity   string     `json:"severity" enum:"info,warning,critical"`
	State      string     `json:"state" enum:"open,acknowledged,resolved"`
	HostID     string     `json:"host_id,omitempty" doc:"absent: it is about the site itself"`
	Label      string     `json:"label" doc:"the name of the host or the site when it opened"`
	Value      string     `json:"value,omitempty" doc:"what was seen when it opened"`
	Since      time.Time  `json:"since" doc:"when what it is about began, as far as the site saw"`
	OpenedAt   time.Time  `json:"opened_at"`
	LastTrueAt time.Time  `json:"last_true_at" doc:"when it was last seen to hold"`
	AckBy      string     `json:"acknowledged_by,omitempty"`
	AckAt      *time.Time `json:"acknowledged_at,omitempty"`
	AckNote    string     `json:"acknowledged_note,omitempty"`
	EndBy      string     `json:"resolved_by,omitempty"`
	EndAt      *time.Time `json:"resolved_at,omitempty"`
	EndNote    string     `json:"resolved_note,omitempty"`
	Reason     string     `json:"reason,omitempty" enum:"cleared,operator,rule_removed,rule_disabled,host_retired" doc:"why it was resolved"`
}

// Alerts is a page of alerts: what is not resolved by severity, the worst first, and within one the newest first; else the newest first.
type Alerts struct {
	Site     string     `json:"site" doc:"whose alerts they are, which that site answered itself"`
	AsOf     time.Time  `json:"as_of" doc:"when it answered"`
	JudgedAt *time.Time `json:"judged_at,omitempty" doc:"when the site last judged its rules; absent: not since it started"`
	Alerts   []Alert    `json:"alerts"`
	Next     string     `json:"next,omitempty" doc:"pass as after= for the next page; absent on the last. A page may have fewer than limit and still not be the last"`
}

// AlertNote goes with what an operator does to an alert.
type AlertNote struct {
	Note string `json:"note,omitempty" maxLength:"1024"`
}

// AlertDecision is what becomes of what an operator decided about an alert of a site.
type AlertDecision struct {
	Alert   string `json:"alert"`
	Site    string `json:"site"`
	SiteID  string `json:"site_id"`
	Action  string `json:"action" enum:"acknowledge,resolve"`
	State   string `json:"state" enum:"done,sent,waiting" doc:"done: the site says so; sent: it is on its way; waiting: the site cannot be reached, and does it when it is back"`
	Message string `json:"message" doc:"the same for people"`
	Row     *Alert `json:"row,omitempty" doc:"where it is done: the alert as the site has it now"`
}

// SiteAlerts counts the alerts of a site that are not resolved, as the site last said.
type SiteAlerts struct {
	AsOf         *time.Time `json:"as_of,omitempty" doc:"when the site counted"`
	Critical     int        `json:"critical" doc:"open, as are the next two"`
	Warning      int        `json:"warning"`
	Info         int        `json:"info"`
	Acknowledged int        `json:"acknowledged" doc:"of all severities"`
	Newest       *AlertRef  `json:"newest,omitempty" doc:"the one that opened last"`
}

// AlertRef is as much of an alert as a list of sites shows.
type AlertRef struct {
	ID       string    `json:"id"`
	Rule     string    `json:"rule"`
	Severity string    `json:"severity"`
	Label    string    `json:"label"`
	OpenedAt time.Time `json:"opened_at"`
}

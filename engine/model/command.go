package model

// CommandState is a step of the command life cycle.
//
//	queued -> delivered -> running -> succeeded | failed | partial | cancelled | expired
type CommandState string

// The command states. Partial is a state of a whole command only, never of one host's task.
const (
	CommandQueued    CommandState = "queued"    // durable where it was dispatched
	CommandDelivered CommandState = "delivered" // in the agent's journal
	CommandRunning   CommandState = "running"
	CommandSucceeded CommandState = "succeeded"
	CommandFailed    CommandState = "failed"
	CommandPartial   CommandState = "partial" // succeeded on some hosts, not on others
	CommandCancelled CommandState = "cancelled"
	CommandExpired   CommandState = "expired" // its time ran out before it ran
)

// The kinds of command that an agent runs.
const (
	CommandPing             = "ping"
	CommandInventoryRefresh = "inventory.refresh"
)

// Command is one order to hosts of one site. Its targets are resolved when it is made and never
// change; an empty list is refused. Each target is a Task with a row of its own.
type Command struct {
	ID        CommandID `json:"id"`
	Kind      string    `json:"kind"`
	Site      SiteID    `json:"site"`
	Origin    NodeID    `json:"origin,omitzero"` // where it was dispatched; set by apply
	Actor     string    `json:"actor"`
	CreatedAt Time      `json:"created_at"`
	NotBefore Time      `json:"not_before,omitzero"`
	ExpiresAt Time      `json:"expires_at"`
	SiteAt    Time      `json:"site_at,omitzero"` // when the site durably had it; zero: not yet known to have
	// State is folded from the tasks: see engine/command.
	State   CommandState         `json:"state"`
	StateAt Time                 `json:"state_at"`
	TaskN   map[CommandState]int `json:"task_n"` // tasks by state
}

// Targets returns how many hosts the command is for.
func (c Command) Targets() int {
	n := 0
	for _, k := range c.TaskN {
		n += k
	}
	return n
}

// MaxTargets bounds the hosts of one command.
const MaxTargets = 10_000

// Task is a command on one host.
type Task struct {
	Command CommandID    `json:"command"`
	Host    HostID       `json:"host"`
	State   CommandState `json:"state"`
	Reason  string       `json:"reason,omitzero"` // why it failed: "interrupted", an error; at most 1,024 bytes
	Output  string       `json:"output,omitzero"` // at most 4,096 bytes
	// OutputSize and OutputDigest are of what the command printed where that is more than Output: how many bytes
	// it was, and the hex SHA-256 of what the site holds of it.
	OutputSize   int64  `json:"output_size,omitzero"`
	OutputDigest string `json:"output_digest,omitzero"`
	History      []Step `json:"history"` // every move so far, oldest first, queued included
}

// Order is what travels down to run a command: the command and the hosts it is for. To an agent it
// names only the agent's own host.
type Order struct {
	Command Command  `json:"command"`
	Hosts   []HostID `json:"hosts"`
}

// Step is one move of a task.
type Step struct {
	State CommandState `json:"state"`
	At    Time         `json:"at"`
}

// Move is a report that a task reached a state.
type Move struct {
	Command CommandID    `json:"command"`
	Host    HostID       `json:"host"`
	State   CommandState `json:"state"`
	At      Time         `json:"at"`
	Reason  string       `json:"reason,omitzero"`
	Output  string       `json:"output,omitzero"`
	// OutputSize and OutputDigest are as in Task.
	OutputSize   int64  `json:"output_size,omitzero"`
	OutputDigest string `json:"output_digest,omitzero"`
}

package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skerryhq/skerry/engine/query"
)

// In a search a dash in front of a condition excludes, as it does in the box of the page. Here it is told from
// a flag, before flags are read.

// shieldMark stands in front of an argument that begins with a dash and is part of a search: -tag:lab.
// Nothing that a person types begins with it.
const shieldMark = "\x00"

func unshield(arg string) string { return strings.TrimPrefix(arg, shieldMark) }

// searchMark marks a command whose arguments are a search.
const searchMark = "search"

// takesSearch makes the arguments of a command a search; an empty one says nothing, and means every host.
func takesSearch(c *cobra.Command) {
	c.Annotations = map[string]string{searchMark: ""}
}

// shield marks the arguments of a search that are conditions with a dash in front. What follows a flag that has
// a value is that value, whatever it begins with. A dash before several letters that is neither a condition nor
// surely a flag is refused: -quay would be read as -q uay. Swallowed are the arguments behind -- that look like
// flags and are none there.
func shield(root *cobra.Command, args []string) (out, swallowed []string, err error) {
	from := 0
	completing := len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd)
	if completing {
		from = 1
	}
	c, _, err := root.Find(args[from:])
	if err != nil {
		return args, nil, nil // which the command itself says better
	}
	if _, is := c.Annotations[searchMark]; !is {
		return args, nil, nil
	}
	out = slices.Clone(args)
	for i := from; i < len(out); i++ {
		arg := out[i]
		switch {
		case arg == "--":
			for _, behind := range out[i+1:] {
				if _, is := flagOf(c, behind); is {
					swallowed = append(swallowed, behind)
				}
			}
			return out, swallowed, nil
		case len(arg) < 2 || arg[0] != '-':
		case excludes(arg):
			out[i] = shieldMark + arg
		default:
			f, is := flagOf(c, arg)
			switch {
			case is && takesNext(f, arg):
				i++
			case !is && arg[1] != '-' && len(arg) > 2 && !completing:
				return nil, nil, usagef("%q reads like a search that excludes: write 'not %s', or put it behind --, as in `%s -- %s`; the value of a flag stands apart from it or behind =",
					arg, arg[1:], c.CommandPath(), arg)
			}
		}
	}
	return out, nil, nil
}

// flagOf returns the flag that an argument surely is: --name, --name=value, -o, -o=value, -ojson.
func flagOf(c *cobra.Command, arg string) (*pflag.Flag, bool) {
	var f *pflag.Flag
	name, long := strings.CutPrefix(arg, "--")
	switch {
	case long:
		name, _, _ = strings.Cut(name, "=")
		if f = c.Flags().Lookup(name); f == nil {
			f = c.InheritedFlags().Lookup(name)
		}
	case len(arg) > 1 && arg[0] == '-':
		if f = c.Flags().ShorthandLookup(arg[1:2]); f == nil {
			f = c.InheritedFlags().ShorthandLookup(arg[1:2])
		}
		if len(arg) > 2 && arg[2] != '=' && (f == nil || f.Name != "output" || !slices.Contains(slices.Concat(formats, exportForms), arg[2:])) {
			return nil, false
		}
	}
	return f, f != nil
}

// takesNext reports whether the value of a flag is the argument behind it.
func takesNext(f *pflag.Flag, arg string) bool {
	return f.NoOptDefVal == "" && !strings.Contains(arg, "=") && (strings.HasPrefix(arg, "--") || len(arg) == 2)
}

// excludes reports whether an argument is a condition with a dash in front. No flag is named like a field and
// followed by what stands between a field and its value.
func excludes(arg string) bool {
	rest, ok := strings.CutPrefix(arg, "-")
	if !ok {
		return false
	}
	if strings.HasPrefix(rest, "(") {
		return true
	}
	i := strings.IndexAny(rest, ":=<>!~")
	if i < 2 {
		return false
	}
	_, known := query.FieldNamed(rest[:i])
	return known
}

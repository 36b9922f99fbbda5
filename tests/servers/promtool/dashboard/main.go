// Checks a Grafana dashboard against Grafana's own schema, field by field, and prints the PromQL in it as a file of recording rules,
// so that promtool can read every expression.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

func main() {
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	plugins.RegisterDefaultPlugins()
	var board dashboard.Dashboard
	// Strict: a field that Grafana does not know is a mistake.
	if err := some(board.UnmarshalJSONStrict(text)); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := some(board.Validate()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	// Read once more: the strict reading checks panels and drops them.
	board = dashboard.Dashboard{}
	if err := json.Unmarshal(text, &board); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Println("groups:\n- name: dashboard\n  rules:")
	for _, panel := range board.Panels {
		if panel.Panel == nil {
			return fmt.Errorf("%s: rows of panels are not expected", file)
		}
		title := "?"
		if panel.Panel.Title != nil {
			title = *panel.Panel.Title
		}
		if len(panel.Panel.Targets) == 0 {
			return fmt.Errorf("%s: %s: nothing is asked", file, title)
		}
		for _, target := range panel.Panel.Targets {
			var expr string
			switch query := target.(type) {
			case *prometheus.Dataquery:
				expr = query.Expr
			case prometheus.Dataquery:
				expr = query.Expr
			default:
				return fmt.Errorf("%s: %s: %T is no query of Prometheus", file, title, target)
			}
			// As Grafana does, by the width of the panel.
			expr = strings.ReplaceAll(expr, "$__rate_interval", "5m")
			fmt.Printf("  - record: dashboard:%s\n    expr: %q\n", "expr", expr)
		}
	}
	return nil
}

// The schema's functions answer with a list that may be empty, which is no nil error.
func some(err error) error {
	var errs cog.BuildErrors
	if errors.As(err, &errs) && len(errs) == 0 {
		return nil
	}
	return err
}

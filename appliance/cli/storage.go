package cli

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) storage() *cobra.Command {
	return a.group("storage", "What a server keeps on its disk", a.storageCheck())
}

func (a *app) storageCheck() *cobra.Command {
	var data string
	c := leaf("check", "Prove that every row can be read and that the indexes are what the rows say", 0, 0, nil)
	f := a.formatted(c)
	c.Long = c.Short + `.

Asks the running server, which goes on with its work meanwhile. With --data it reads the data folder of a server that does not run.`
	c.Flags().StringVar(&data, "data", "", "the data folder of a server that does not run")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		var report schema.StorageReport
		if data != "" {
			var err error
			if report, err = serve.CheckFolder(c.Context(), data); err != nil {
				return err
			}
		} else {
			server, err := a.client()
			if err != nil {
				return err
			}
			if err := server.call(c.Context(), http.MethodPost, "/storage/check", nil, nil, &report); err != nil {
				return err
			}
		}
		err := f.print(report, func() view {
			v := view{head: []string{"VALUE", ""}}
			v.rows = append(v.rows, []any{"Rows read", grouped(report.Rows)}, []any{"Index entries compared", grouped(report.Entries)},
				[]any{"Faults", report.FaultN}, []any{"Seconds", fmt.Sprintf("%.1f", float64(report.TookMS)/1000)})
			if report.Bodies > 0 {
				v.rows = append(v.rows, []any{"Bodies read", grouped(report.Bodies)}, []any{"Bodies damaged", report.DamagedN})
			}
			for _, body := range report.Damaged {
				v.rows = append(v.rows, []any{"Damaged", body})
			}
			for _, fault := range report.Faults {
				v.rows = append(v.rows, []any{"Fault", fault})
				v.names = append(v.names, fault)
			}
			return v
		})
		if err != nil || report.OK && report.DamagedN == 0 {
			return err
		}
		if report.OK {
			return fmt.Errorf("%d bodies of the detail tier are damaged: dispatch inventory.refresh to the agents, which stores again what they still have; older versions stay unreadable until they expire", report.DamagedN)
		}
		return fmt.Errorf("%d faults were found: stop the server, keep its data folder aside, and let it take its rows from the others or a backup", report.FaultN)
	}
	return c
}

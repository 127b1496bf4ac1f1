// Command sample makes the advisories that ship with the project, for a first look at it without any
// data at hand: facts only (identifiers, packages, version ranges, CVSS vectors, dates), no prose, from
// sources whose licence allows it. It also writes the NOTICE that names them.
//
//	go run ./scripts/sample -osv DIR
//
// DIR is a tree of OSV records, one folder a source. The Debian facts come from the changelogs of this
// machine's packages, in their newest versions, which apt-get downloads; so it runs on Debian 12, after
// apt-get update. The same inputs give the same bytes.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/model"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal("sample: ", err)
	}
}

func run(ctx context.Context) error {
	tree := flag.String("osv", "", "folder of OSV records, one sub-folder a source (required)")
	debs := flag.String("debs", "", "folder to keep downloaded packages in (default: a temporary one)")
	out := flag.String("out", "scripts/sample/data/advisories.tar.zst", "the sample to write")
	notice := flag.String("notice", "scripts/sample/NOTICE", "the notice to write")
	date := flag.String("date", time.Now().UTC().Format(time.DateOnly), "day of making, for the notice")
	also := flag.String("also", alsoDefault, "packages to read the changelogs of besides the installed ones")
	flag.Parse()
	if *tree == "" || flag.NArg() > 0 {
		return fmt.Errorf("want -osv DIR and no further arguments; see -help")
	}
	if *debs == "" {
		dir, err := os.MkdirTemp("", "skerry-sample-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		*debs = dir
	}
	logs, err := changelogs(ctx, *debs, strings.Fields(strings.ReplaceAll(*also, ",", " ")))
	if err != nil {
		return err
	}
	var all []model.Advisory
	for _, l := range logs {
		all = append(all, facts(l)...)
	}
	log.Printf("debian-changelog: %d records from %d source packages", len(all), len(logs))
	fromTree, err := selected(*tree, all)
	if err != nil {
		return err
	}
	all = append(all, fromTree...)
	body, err := pack(all)
	if err != nil {
		return err
	}
	text, err := noticeText(all, len(logs), *date)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(path.Dir(*out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(*out, body, 0o644); err != nil {
		return err
	}
	log.Printf("%s: %d records, %d bytes", *out, len(all), len(body))
	return os.WriteFile(*notice, []byte(text), 0o644)
}

// The members of an OSV record that the sample may have, and no others.
type (
	record struct {
		SchemaVersion string        `json:"schema_version"`
		ID            string        `json:"id"`
		Modified      string        `json:"modified"`
		Published     model.Time    `json:"published,omitzero"`
		Aliases       []string      `json:"aliases,omitzero"`
		Upstream      []string      `json:"upstream,omitzero"`
		Related       []string      `json:"related,omitzero"`
		Severity      []model.Score `json:"severity,omitzero"`
		Affected      []affected    `json:"affected,omitzero"`
		Database      *word         `json:"database_specific,omitzero"`
	}
	affected struct {
		Package  pkg           `json:"package"`
		Ranges   []model.Range `json:"ranges,omitzero"`
		Versions []string      `json:"versions,omitzero"`
		Severity []model.Score `json:"severity,omitzero"`
		Database *word         `json:"database_specific,omitzero"`
	}
	pkg struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	}
	word struct {
		Severity string `json:"severity"`
	}
)

// split parts vectors from the one word that a source rates with.
func split(scores []model.Score) ([]model.Score, *word) {
	if len(scores) == 1 && scores[0].Type == canonical.TypeWord {
		return nil, &word{scores[0].Score}
	}
	return scores, nil
}

// encode writes a as OSV, and proves that reading it gives a again.
func encode(a model.Advisory) ([]byte, error) {
	a.Summary = ""
	r := record{
		SchemaVersion: "1.7.3", ID: canonical.PlainID(a.ID), Modified: a.Modified.String(), Published: a.Published,
		Aliases: a.Aliases, Upstream: a.Upstream, Related: a.Related,
	}
	if r.ID != a.ID {
		return nil, fmt.Errorf("%s: records that share an id are not for the sample", a.AdvisoryKey)
	}
	if a.Modified == 0 {
		r.Modified = "0001-01-01T00:00:00Z" // the schema wants one
	}
	r.Severity, r.Database = split(a.Severity)
	for _, e := range a.Affected {
		out := affected{Package: pkg{e.Ecosystem, e.Name}, Ranges: e.Ranges, Versions: e.Versions}
		out.Severity, out.Database = split(e.Severity)
		r.Affected = append(r.Affected, out)
	}
	b, err := model.Encode(r)
	if err != nil {
		return nil, err
	}
	back, err := canonical.DecodeOSV(a.Source, b)
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(back, a) {
		return nil, fmt.Errorf("%s does not survive:\n%+v\n%+v", a.AdvisoryKey, a, back)
	}
	return b, nil
}

// pack writes the records as one tar.zst, sorted, without times or owners.
func pack(all []model.Advisory) ([]byte, error) {
	slices.SortFunc(all, func(a, b model.Advisory) int { return strings.Compare(a.String(), b.String()) })
	var buf bytes.Buffer
	// A small window, so that any reader's bound allows it.
	z, err := zstd.NewWriter(&buf, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(4<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	tw := tar.NewWriter(z)
	for _, a := range all {
		b, err := encode(a)
		if err != nil {
			return nil, err
		}
		name := "osv/" + a.Source + "/" + strings.NewReplacer(":", "_", "/", "_").Replace(a.ID) + ".json"
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(b)), Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
		if _, err := tw.Write(b); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

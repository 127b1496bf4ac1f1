import { Button, Checkbox, NativeSelect } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { takeBundle, type Upload } from '../../api/bundles'
import { nodeQuery } from '../../api/queries'
import card from '../../parts/Card.module.css'
import { Refusal } from '../../parts/Refusal'
import { conflictWays, conflictWayWords, type ConflictWay } from '../../words/bundles'
import { size } from '../../words/count'
import classes from './Bundles.module.css'
import { Outcome } from './Outcome'

/** Takes a bundle in. It is always shown first what would come of it, and what is shown is what is then done. */
export function ImportPanel() {
  const site = useQuery(nodeQuery).data?.role === 'site'
  const [file, setFile] = useState<File>()
  const [onConflict, setOnConflict] = useState<ConflictWay>('')
  const [force, setForce] = useState(false)
  const [skipSignature, setSkipSignature] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const preview = useMutation({ mutationFn: (u: Upload) => takeBundle(u, true) })
  const take = useMutation({
    mutationFn: (u: Upload) => takeBundle(u, false),
    onSuccess: () => {
      preview.reset()
      setFile(undefined)
      if (input.current) input.current.value = ''
    },
  })
  // A preview of something else is none.
  const anew = () => {
    preview.reset()
    take.reset()
  }
  const seen = preview.data && preview.variables ? { result: preview.data, of: preview.variables } : undefined
  const busy = preview.isPending || take.isPending
  return (
    <section className={card.card} aria-label="Import a bundle">
      <h2>
        Import a bundle
        <small>nothing is changed before you have seen what would be</small>
      </h2>
      <form
        className={classes.form}
        onSubmit={(e) => {
          e.preventDefault()
          if (!file || busy) return
          take.reset()
          preview.mutate({ file, onConflict, force, skipSignature })
        }}
      >
        <div className={classes.file}>
          <label htmlFor="bundle">Bundle</label>
          <input
            id="bundle"
            ref={input}
            type="file"
            aria-describedby="bundle-about"
            disabled={busy}
            onChange={(e) => {
              anew()
              setFile(e.currentTarget.files?.[0])
            }}
          />
          <small id="bundle-about" className={card.under}>
            {file ? size(file.size) : 'a file that another server exported'}
          </small>
        </div>
        <NativeSelect
          label="Where the two do not agree"
          disabled={busy}
          value={onConflict}
          onChange={(e) => {
            anew()
            setOnConflict(e.currentTarget.value as ConflictWay)
          }}
          data={conflictWays.map((w) => ({ value: w, label: conflictWayWords(w, site) }))}
        />
        <div className={classes.checks}>
          <Checkbox
            label="Also if it is not newer than what is held"
            disabled={busy}
            checked={force}
            onChange={(e) => {
              anew()
              setForce(e.currentTarget.checked)
            }}
          />
          <Checkbox
            label="Do not ask for a signature"
            disabled={busy}
            checked={skipSignature}
            onChange={(e) => {
              anew()
              setSkipSignature(e.currentTarget.checked)
            }}
          />
        </div>
        <Button
          type="submit"
          variant={seen ? 'default' : 'filled'}
          disabled={!file || busy}
          loading={preview.isPending}
        >
          Preview
        </Button>
      </form>
      <p className="hidden" role="status">
        {preview.isPending ? 'The bundle is sent and judged.' : take.isPending ? 'The bundle is imported.' : ''}
      </p>
      <Refusal error={preview.error} title="This bundle would not be imported" />
      {seen ? (
        <Outcome result={seen.result} site={site}>
          <div className={classes.buttons}>
            <Button loading={take.isPending} onClick={() => take.mutate(seen.of)}>
              Import
            </Button>
            <Button variant="default" disabled={take.isPending} onClick={anew}>
              Leave it
            </Button>
          </div>
        </Outcome>
      ) : null}
      <Refusal error={take.error} title="The bundle was not imported" />
      {take.data ? <Outcome result={take.data} site={site} /> : null}
    </section>
  )
}

import { Button } from '@mantine/core'
import { useState } from 'react'

/** A button that puts a text into the clipboard, and says whether it did. */
export function Copy({ text, what }: { text: string; what: string }) {
  const [said, setSaid] = useState('')
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setSaid('Copied')
    } catch {
      setSaid('The browser did not allow it')
    }
  }
  return (
    <>
      <Button size="compact-xs" variant="default" aria-label={`Copy ${what}`} onClick={() => void copy()}>
        Copy
      </Button>{' '}
      <small className="muted" role="status">
        {said}
      </small>
    </>
  )
}

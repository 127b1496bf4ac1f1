import { errorText, Refused } from '../api/fault'
import { sentence } from '../words/status'
import card from './Card.module.css'
import { Notice } from './Notice'
import { Prose } from './Prose'

/** What a server said against something, with the place in a text where it went wrong. */
export function Refusal({ error, title }: { error: unknown; title: string }) {
  if (!error) return null
  const away = error instanceof Refused && error.kind === 'unreachable'
  const text = sentence(errorText(error))
  return (
    <Notice tone={away ? 'warn' : 'bad'} title={title} alert>
      <Prose text={text} />
      {/[.!?]$/.test(text) ? '' : '.'}
      {error instanceof Refused && error.caret ? <pre className={card.code}>{error.caret}</pre> : null}
    </Notice>
  )
}

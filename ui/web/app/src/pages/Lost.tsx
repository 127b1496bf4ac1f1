import { Link } from '@tanstack/react-router'
import { Notice } from '../parts/Notice'
import { useTitle } from '../parts/title'

/** An address that is no view. */
export function Lost() {
  useTitle('Not found')
  return (
    <Notice tone="none" title="There is no such view">
      Go to the <Link to="/sites">sites</Link> or the <Link to="/hosts">hosts</Link>.
    </Notice>
  )
}

import type { Policy } from '../../api/types'
import { Light } from '../../parts/Light'
import { plural } from '../../words/count'

/** How many sites have the version that they should have, and how many do not. */
export function Held({ held }: { held: Policy['held'] }) {
  if (!held) return <span className="muted">not known</span>
  const total = held.current + held.stale + held.missing + held.unknown
  const lacks = [
    held.stale > 0 ? `${held.stale} stale` : '',
    held.missing > 0 ? `${held.missing} missing` : '',
    held.unknown > 0 ? `${held.unknown} unknown` : '',
    held.extra ? `${held.extra} extra` : '',
  ].filter(Boolean)
  if (total === 0 && lacks.length === 0) return <span className="muted">assigned to no site</span>
  if (lacks.length === 0) return <Light said={{ tone: 'ok', word: `all of ${plural(total, 'site')}` }} />
  return <Light said={{ tone: 'warn', word: `${held.current} of ${plural(total, 'site')}: ${lacks.join(', ')}` }} />
}

import { Link } from '@tanstack/react-router'
import classes from './Views.module.css'

const views = [
  ['/advisories', 'Vulnerabilities'],
  ['/advisories/changes', 'What changed'],
  ['/advisories/accepted', 'Accepted risks'],
  ['/advisories/sources', 'Sources'],
  ['/advisories/bundles', 'Bundles'],
] as const

/** The way between the views that have to do with vulnerabilities. */
export function Views() {
  return (
    <nav aria-label="Advisories" className={classes.views}>
      {views.map(([to, name]) => (
        <Link
          key={to}
          to={to}
          activeOptions={{ exact: true, includeSearch: false }}
          activeProps={{ 'aria-current': 'page' }}
        >
          {name}
        </Link>
      ))}
    </nav>
  )
}

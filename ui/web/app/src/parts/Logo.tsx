import classes from './Logo.module.css'

/** The mark: a rock in the sea. It is drawn in the colours of what it stands on. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg className={classes.logo} width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path className={classes.rock} d="M4.5 20.5 10 13l3 2.2L18.6 5l3.2 6.4 2 1.4 4.7 7.7z" />
      <path className={classes.sea} d="M2 24.2q3.5-2.9 7 0t7 0 7 0 7 0" />
      <path className={classes.deep} d="M7 28.8q3-2.6 6 0t6 0 6 0" />
    </svg>
  )
}

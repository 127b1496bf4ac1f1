import { ActionIcon, Menu, useComputedColorScheme, useMantineColorScheme } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { useEffect } from 'react'
import { errorText, mustLogIn } from '../api/fault'
import { logOut, nodeQuery, overviewQuery, useFresh } from '../api/queries'
import type { Node } from '../api/types'
import { AsOf } from '../parts/AsOf'
import { Logo } from '../parts/Logo'
import { Notice } from '../parts/Notice'
import { isTyping } from '../parts/typing'
import { clockTime } from '../words/time'
import { openAlerts } from '../words/alerts'
import { count, plural } from '../words/count'
import { Conditions } from './Conditions'
import classes from './Frame.module.css'
import { LoginPage } from './Login'

/** What stands around every view: who answers, whether it still does, and the way between views. */
export function Frame() {
  const node = useQuery(nodeQuery)
  if (mustLogIn(node.error)) return <LoginPage />
  if (!node.data) return <Waiting error={node.error} />
  return <Within node={node.data} answeredAt={node.dataUpdatedAt} error={node.error} fresh={<Freshness q={node} />} />
}

function Within({
  node,
  answeredAt,
  error,
  fresh,
}: {
  node: Node
  answeredAt: number
  error: unknown
  fresh: React.ReactNode
}) {
  useSlash()
  const isFreshNow = useFresh({ dataUpdatedAt: answeredAt, isError: error !== null })
  const alerts = openAlerts(useQuery(overviewQuery).data?.alerts)
  const controller = node.role === 'controller'
  return (
    <>
      <a className={classes.skip} href="#content">
        Skip to the content
      </a>
      <header className={classes.header}>
        <div className={classes.inner}>
          <Link to="/sites" className={classes.brand} aria-label="Skerry, start">
            <Logo />
            <span className={classes.name}>Skerry</span>
          </Link>
          <span className={classes.node} title={`${node.name}, version ${node.version}`}>
            {node.name}
            <small>{controller ? 'controller' : 'site'}</small>
          </span>
          <nav className={classes.nav} aria-label="Views">
            <Link to="/sites" activeProps={{ 'aria-current': 'page' }}>
              {controller ? 'Sites' : 'Site'}
            </Link>
            <Link to="/hosts" activeProps={{ 'aria-current': 'page' }} activeOptions={{ includeSearch: false }}>
              Hosts
            </Link>
            <Link to="/alerts" activeProps={{ 'aria-current': 'page' }} activeOptions={{ includeSearch: false }}>
              Alerts
              {alerts.open > 0 ? (
                <span className={classes.badge} data-critical={alerts.critical > 0 || undefined}>
                  <span aria-hidden="true">{alerts.open > 999 ? '999+' : count(alerts.open)}</span>
                  <span className="hidden">{plural(alerts.open, 'open alert')}</span>
                </span>
              ) : null}
            </Link>
            <Link to="/advisories" activeProps={{ 'aria-current': 'page' }} activeOptions={{ includeSearch: false }}>
              Advisories
            </Link>
            <Link to="/policies" activeProps={{ 'aria-current': 'page' }}>
              Policies
            </Link>
            <Link to="/questions" activeProps={{ 'aria-current': 'page' }} activeOptions={{ includeSearch: false }}>
              Questions
            </Link>
          </nav>
          <div className={classes.tools}>
            {fresh}
            <SchemeSwitch />
            <Person actor={node.actor} version={node.version} />
          </div>
        </div>
      </header>
      <Silence node={node} answeredAt={answeredAt} error={error} />
      <Conditions node={node} fresh={isFreshNow} />
      <main id="content" className={classes.main} tabIndex={-1}>
        <Outlet />
      </main>
    </>
  )
}

/** The page before its first answer. */
function Waiting({ error }: { error: unknown }) {
  return (
    <main className={classes.waiting}>
      <Logo size={56} />
      {error ? (
        <Notice tone="bad" title="The server does not answer" alert>
          {errorText(error)}. This page tries again every few seconds.
        </Notice>
      ) : (
        <p className="muted">Asking the server…</p>
      )}
    </main>
  )
}

function Freshness({ q }: { q: Parameters<typeof useFresh>[0] }) {
  const fresh = useFresh(q)
  return (
    <span className={classes.fresh} data-fresh={fresh || undefined}>
      <span aria-hidden="true" className={classes.dot} />
      {fresh ? 'Live' : 'No answer'}
      <span className={classes.freshAge}>
        as of <AsOf at={q.dataUpdatedAt} />
      </span>
    </span>
  )
}

/** The banner over everything when the server has gone silent. */
function Silence({ node, answeredAt, error }: { node: Node; answeredAt: number; error: unknown }) {
  const fresh = useFresh({ dataUpdatedAt: answeredAt, isError: error !== null })
  if (fresh) return null
  return (
    <div className={classes.silence} role="alert">
      <strong>{node.name} does not answer.</strong> What is shown is of {clockTime(answeredAt)} and may no longer be so
      {error ? ` (${errorText(error)})` : ''}. This page tries again every few seconds.
    </div>
  )
}

function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme()
  const dark = useComputedColorScheme('light', { getInitialValueInEffect: false }) === 'dark'
  const label = dark ? 'Use light colours' : 'Use dark colours'
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      aria-label={label}
      title={label}
      onClick={() => setColorScheme(dark ? 'light' : 'dark')}
    >
      <svg
        width="18"
        height="18"
        viewBox="0 0 18 18"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.6"
        strokeLinecap="round"
        aria-hidden="true"
      >
        {dark ? (
          <>
            <circle cx="9" cy="9" r="3.4" />
            <path d="M9 1.5v1.7M9 14.8v1.7M1.5 9h1.7M14.8 9h1.7M3.7 3.7l1.2 1.2M13.1 13.1l1.2 1.2M3.7 14.3l1.2-1.2M13.1 4.9l1.2-1.2" />
          </>
        ) : (
          <path d="M15 10.6A6.5 6.5 0 0 1 7.4 3a6.5 6.5 0 1 0 7.6 7.6z" strokeLinejoin="round" />
        )}
      </svg>
    </ActionIcon>
  )
}

function Person({ actor, version }: { actor: string; version: string }) {
  const name = actor.replace(/^account:/, '')
  return (
    <Menu position="bottom-end" width={220} shadow="md">
      <Menu.Target>
        <ActionIcon
          variant="subtle"
          color="gray"
          size="lg"
          aria-label={`Logged in as ${name}`}
          title={`Logged in as ${name}`}
        >
          <svg
            width="18"
            height="18"
            viewBox="0 0 18 18"
            fill="none"
            stroke="currentColor"
            strokeWidth="1.6"
            strokeLinecap="round"
            aria-hidden="true"
          >
            <circle cx="9" cy="6" r="3" />
            <path d="M3 15.5c.6-3 3-4.7 6-4.7s5.4 1.7 6 4.7" />
          </svg>
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {name} · Skerry {version}
        </Menu.Label>
        <Menu.Item component="a" href="/licences.txt" target="_blank" rel="noreferrer">
          Licences of the parts
        </Menu.Item>
        <Menu.Item onClick={() => void logOut()}>Log out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

/** "/" goes to the search box, from anywhere but a field. */
function useSlash() {
  const navigate = useNavigate()
  const path = useRouterState({ select: (s) => s.location.pathname })
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return
      if (isTyping(e.target)) return
      if (document.querySelector('[role="dialog"]')) return
      e.preventDefault()
      const box = document.getElementById('search')
      if (box instanceof HTMLInputElement) {
        box.focus()
        box.select()
      } else {
        void navigate({ to: '/hosts', state: { find: true } })
      }
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [navigate, path])
}

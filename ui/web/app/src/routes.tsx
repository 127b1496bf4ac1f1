// The views and their addresses.

import { createRootRoute, createRoute, createRouter, redirect } from '@tanstack/react-router'
import { Frame } from './pages/Frame'
import { HostsPage } from './pages/hosts/Hosts'
import { Lost } from './pages/Lost'
import { SitePage } from './pages/Site'
import { SitesPage } from './pages/Sites'
import { hostSearch, parseQuery, writeQuery } from './words/search'

const root = createRootRoute({ component: Frame, notFoundComponent: Lost })

const index = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/sites', replace: true })
  },
})

const sites = createRoute({ getParentRoute: () => root, path: '/sites', component: SitesPage })

const site = createRoute({ getParentRoute: () => root, path: '/sites/$site', component: SitePage })

const hosts = createRoute({
  getParentRoute: () => root,
  path: '/hosts',
  component: HostsPage,
  validateSearch: hostSearch,
})

export const router = createRouter({
  routeTree: root.addChildren([index, sites, site, hosts]),
  parseSearch: parseQuery,
  stringifySearch: writeQuery,
  scrollRestoration: true,
  defaultPreload: false,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
  interface HistoryState {
    /** The page of hosts opens with its search box focused. */
    find?: boolean
  }
}

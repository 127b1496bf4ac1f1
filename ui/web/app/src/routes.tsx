// The views and their addresses.

import { createRootRoute, createRoute, createRouter, redirect } from '@tanstack/react-router'
import { Frame } from './pages/Frame'
import { AdvisoriesPage } from './pages/advisories/Advisories'
import { AdvisoryPage } from './pages/advisories/Advisory'
import { BundlesPage } from './pages/bundles/Bundles'
import { AcceptedPage } from './pages/exposure/Accepted'
import { ChangesPage } from './pages/exposure/Changes'
import { SourcesPage } from './pages/sources/Sources'
import { AlertsPage } from './pages/alerts/Alerts'
import { RulesPage } from './pages/alerts/Rules'
import { HostPage } from './pages/host/Host'
import { HostsPage } from './pages/hosts/Hosts'
import { Lost } from './pages/Lost'
import { PoliciesPage } from './pages/policies/Policies'
import { PolicyPage } from './pages/policies/Policy'
import { QuestionsPage } from './pages/questions/Questions'
import { SitePage } from './pages/Site'
import { SitesPage } from './pages/Sites'
import { advisorySearch } from './words/advisories'
import { alertSearch } from './words/alerts'
import { bundleSearch } from './words/bundles'
import { acceptSearch, changeSearch } from './words/exposure'
import { hostTab, resultSearch } from './words/detail'
import { questionSearch } from './words/questions'
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

const host = createRoute({
  getParentRoute: () => root,
  path: '/hosts/$host',
  component: HostPage,
  validateSearch: hostTab,
})

const alerts = createRoute({
  getParentRoute: () => root,
  path: '/alerts',
  component: AlertsPage,
  validateSearch: alertSearch,
})

const advisories = createRoute({
  getParentRoute: () => root,
  path: '/advisories',
  component: AdvisoriesPage,
  validateSearch: advisorySearch,
})

const advisory = createRoute({ getParentRoute: () => root, path: '/advisories/$id', component: AdvisoryPage })

const accepted = createRoute({
  getParentRoute: () => root,
  path: '/advisories/accepted',
  component: AcceptedPage,
  validateSearch: acceptSearch,
})

const changes = createRoute({
  getParentRoute: () => root,
  path: '/advisories/changes',
  component: ChangesPage,
  validateSearch: changeSearch,
})

const sources = createRoute({ getParentRoute: () => root, path: '/advisories/sources', component: SourcesPage })

const bundles = createRoute({
  getParentRoute: () => root,
  path: '/advisories/bundles',
  component: BundlesPage,
  validateSearch: bundleSearch,
})

const rules = createRoute({ getParentRoute: () => root, path: '/alerts/rules', component: RulesPage })

const asked = createRoute({
  getParentRoute: () => root,
  path: '/questions',
  component: QuestionsPage,
  validateSearch: questionSearch,
})

const policies = createRoute({ getParentRoute: () => root, path: '/policies', component: PoliciesPage })

const policy = createRoute({
  getParentRoute: () => root,
  path: '/policies/$policy',
  component: PolicyPage,
  validateSearch: resultSearch,
})

export const router = createRouter({
  routeTree: root.addChildren([
    index,
    sites,
    site,
    hosts,
    host,
    alerts,
    rules,
    advisories,
    advisory,
    accepted,
    changes,
    sources,
    bundles,
    asked,
    policies,
    policy,
  ]),
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

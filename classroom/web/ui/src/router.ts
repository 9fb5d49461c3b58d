import { createRouter, createWebHistory } from "vue-router";
import { i18n } from "./i18n";

export type PageTitle =
  "home" | "class" | "teacher" | "terminal" | "replay" | "library" | "signin" | "admin" | "missing";

declare module "vue-router" {
  interface RouteMeta {
    title: PageTitle;
  }
}

export const router = createRouter({
  history: createWebHistory(),
  strict: true, // as the server has it
  sensitive: true,
  routes: [
    { path: "/", component: () => import("./pages/HomePage.vue"), meta: { title: "home" } },
    { path: "/teacher", component: () => import("./pages/TeacherPage.vue"), meta: { title: "teacher" } },
    {
      path: "/class/:lesson",
      component: () => import("./pages/ClassPage.vue"),
      props: true,
      meta: { title: "class" },
    },
    { path: "/terminal", component: () => import("./pages/TerminalPage.vue"), meta: { title: "terminal" } },
    {
      path: "/replay/:lesson/:holding?",
      component: () => import("./pages/ReplayPage.vue"),
      props: true,
      meta: { title: "replay" },
    },
    { path: "/library", component: () => import("./pages/LibraryPage.vue"), meta: { title: "library" } },
    { path: "/signin", component: () => import("./pages/SignInPage.vue"), meta: { title: "signin" } },
    {
      path: "/admin/:section?",
      component: () => import("./pages/AdminPage.vue"),
      props: true,
      meta: { title: "admin" },
    },
    { path: "/:rest(.*)*", component: () => import("./pages/MissingPage.vue"), meta: { title: "missing" } },
  ],
});

export function pageTitle(title: PageTitle): string {
  const { t } = i18n.global;
  return title === "home" ? t("product") : `${t(`title.${title}`)} · ${t("product")}`;
}

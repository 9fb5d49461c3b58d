import { createApp } from "vue";
import App from "./App.vue";
import { i18n } from "./i18n";
import { router } from "./router";
import "./theme/tokens.css";
import "./theme/base.css";

// A token pasted into an open page means another lesson or another right: begin anew with it.
window.addEventListener("hashchange", () => location.reload());

createApp(App).use(i18n).use(router).mount("#app");

import urql from "@urql/vue";
import { createApp } from "vue";
import "../../shared/style.css";
import { client } from "./client";
import Portal from "./Portal.vue";

createApp(Portal).use(urql, client).mount("#portal");
